"""`receiver urls`."""

from urllib.parse import unquote

from receiver.domain.facts import EVENTS
from receiver.domain.hooks import REF, our_hook, parse_hook_path
from receiver.intake.access import Access, FixedAccess
from tests.cli.shell import ROOT, SIGNER, Shell

MINT = ("urls", "mint", "--account", "main")


def test_each_of_the_four_urls_proves_what_it_is_about(shell: Shell) -> None:
    urls = shell.ask(*MINT, "--ref", "order-4711")
    assert list(urls) == ["ref", "url_before", "url_before_again", "url_success", "url_after"]
    assert urls["ref"] == "order-4711"
    for event in EVENTS:
        url = urls[f"url_{event}"]
        path = our_hook(url)
        assert url.startswith(f"{ROOT}/hooks/main/{event}/order-4711/")
        assert path is not None
        assert SIGNER.verify(path)
        assert (path.account, path.event, path.ref) == ("main", event, "order-4711")


def test_a_ref_is_made_where_none_is_given(shell: Shell) -> None:
    one, other = (shell.ask(*MINT)["ref"] for _ in range(2))
    assert one != other
    assert REF.fullmatch(one)


def test_for_people_each_url_stands_in_one_piece(shell: Shell) -> None:
    urls = shell.ask(*MINT, "--ref", "r")
    lines = [line.split() for line in shell.run(*MINT, "--ref", "r").out.splitlines()]
    assert dict(lines) == urls


def test_an_unknown_account_is_named_with_those_that_are_known(shell: Shell) -> None:
    error = shell.refused("urls", "mint", "--account", "mian")
    assert error == "error: account: there is no account 'mian'; did you mean 'main'? known: main"


def test_a_ref_that_cannot_travel_in_a_url_is_refused(shell: Shell) -> None:
    assert shell.refused(*MINT, "--ref", "a/b") == "error: ref: 1 to 64 letters, digits, '_' or '-'"


FIXED = ("urls", "fixed", "--account", "main")
FIXED_SECRET = "a secret/of the account"


def with_account(shell: Shell, *lines: str) -> None:
    shell.configure()
    shell.file("receiver.toml", shell.config.read_text() + "\n".join(lines))


def test_fixed_urls_hold_the_secret_and_are_believed(shell: Shell) -> None:
    secret = "a secret of the account: 100%"
    with_account(shell, f'fixed_secret = "{secret}"')
    urls = shell.ask(*FIXED)
    access = Access(SIGNER, {"main": FixedAccess(secret)})
    assert urls.pop("addresses") == []
    assert list(urls) == ["url_before", "url_before_again", "url_success", "url_after"]
    for event in EVENTS:
        path = parse_hook_path(unquote(urls[f"url_{event}"].removeprefix(ROOT)))
        assert path is not None
        assert (path.account, path.event, access.refuses(path, None)) == ("main", event, None)
    lines = [line.split() for line in shell.run(*FIXED).out.splitlines()]
    assert dict(lines) == urls


def test_where_there_are_addresses_only_it_says_from_where_they_work(shell: Shell) -> None:
    with_account(shell, 'fixed_addresses = ["192.0.2.0/24", "2001:db8::7"]')
    said = shell.run(*FIXED)
    assert said.out.split()[1] == f"{ROOT}/hooks/main/before"
    hint = " ".join(said.err.split())
    assert "192.0.2.0/24, 2001:db8::7/128" in hint
    assert "trusted_proxies" in hint
    assert shell.ask(*FIXED)["addresses"] == ["192.0.2.0/24", "2001:db8::7/128"]


def test_with_both_it_says_that_the_secret_may_be_left_out_there(shell: Shell) -> None:
    with_account(shell, 'fixed_secret = "a-secret-of-the-account"', 'fixed_addresses = ["192.0.2.0/24"]')
    said = shell.run(*FIXED)
    assert said.out.split()[1] == f"{ROOT}/hooks/main/before/a-secret-of-the-account"
    assert "Without the secret" in said.err


def test_an_account_without_either_is_told_what_to_set(shell: Shell) -> None:
    assert "neither fixed_secret nor fixed_addresses" in shell.refused(*FIXED)


def test_a_secret_that_no_url_can_hold_is_refused(shell: Shell) -> None:
    with_account(shell, f'fixed_secret = "{FIXED_SECRET}"')
    error = shell.refused(*FIXED)
    assert "fixed_secret: '/', '?' and '&' cannot stand in a hook URL" in error
    assert FIXED_SECRET not in error
