"""`receiver urls mint`."""

from receiver.domain.facts import EVENTS
from receiver.domain.hooks import REF, our_hook
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
    assert error == "error: account: 'mian' is not in the settings; known are main"


def test_a_ref_that_cannot_travel_in_a_url_is_refused(shell: Shell) -> None:
    assert shell.refused(*MINT, "--ref", "a/b") == "error: ref: 1 to 64 letters, digits, '_' or '-'"
