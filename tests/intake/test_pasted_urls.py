"""URLs that were pasted into a form with something around them, and proxies' headers in their many forms."""

from urllib.parse import quote

import pytest

from receiver.domain.hooks import (
    HookPath,
    mint_urls,
    our_hook,
    parse_hook_path,
    without_pasted,
)
from receiver.domain.proxies import TrustedProxies
from receiver.intake.access import Access, FixedAccess
from tests.emulator.virtual import VirtualLoop
from tests.intake.intake_env import FIXED_SECRET, SIGNER, path_of
from tests.intake.listener_env import ListenerEnv, get, hook

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, type]]:
    return "asyncio", {"loop_factory": VirtualLoop}


BEHIND = {
    "a space": "%20",
    "a line end": "%0A",
    "a line end of Windows": "%0D%0A",
    "a tab": "%09",
    "spaces before a slash": "%20/",
    "a no-break space": "%C2%A0",
    "a zero-width space": "%E2%80%8B",
    "a byte order mark": "%EF%BB%BF",
    "a space, escaped twice": "%2520",
    "a quotation mark": "%22",
    "an angle bracket": "%3E",
    "a raw space": " ",
    "a raw tab": "\t",
    "a raw quotation mark": '"',
}


@pytest.mark.parametrize("case", BEHIND)
async def test_what_was_pasted_behind_a_token_is_ignored(env: ListenerEnv, case: str) -> None:
    line = env.connect()
    line.send(get(hook() + BEHIND[case]))
    assert (await line.answer()).status_code == 200
    assert env.inbox.hooks[0].ref == "r1"


@pytest.mark.parametrize("case", BEHIND)
async def test_fields_behind_it_are_read_all_the_same(env: ListenerEnv, case: str) -> None:
    line = env.connect()
    line.send(get(hook() + BEHIND[case] + "?id=7"))
    assert (await line.answer()).status_code == 200
    assert env.inbox.hooks[0].query == b"id=7"


async def test_a_line_end_within_a_pasted_url_is_ignored(env: ListenerEnv) -> None:
    line = env.connect()
    line.send(get(hook()[:-10] + "%0A%20" + hook()[-10:]))
    assert (await line.answer()).status_code == 200


@pytest.mark.parametrize("behind", ["%20", "%0A", "%22"])
async def test_what_was_pasted_behind_a_fixed_url_is_ignored(env: ListenerEnv, behind: str) -> None:
    for path in (f"/hooks/main/after/{FIXED_SECRET}", f"/hooks/main/after%20/{FIXED_SECRET}"):
        line = env.connect()
        line.send(get(path + behind))
        assert (await line.answer()).status_code == 200


@pytest.mark.parametrize("changed", ["x", "%20x", "%00", "."])
async def test_what_changes_the_token_is_refused_as_before(env: ListenerEnv, changed: str) -> None:
    line = env.connect()
    line.send(get(hook() + changed))
    assert (await line.answer()).status_code == 404


def test_an_echoed_url_is_ours_whatever_was_pasted_behind_it() -> None:
    url = mint_urls(SIGNER, "https://hooks.example", "main", "r1")["url_after"]
    for behind in (" ", "\n", "%20", "\u200b", '"'):
        path = our_hook(url + behind)
        assert path is not None
        assert SIGNER.verify(path)


@pytest.mark.parametrize(
    "secret", ["a secret with spaces", "secret-with-tail ", '"quoted-secret-of-some-length"']
)
def test_a_secret_with_such_characters_is_accepted_as_it_is_and_as_it_is_pasted(secret: str) -> None:
    access = Access(SIGNER, {"main": FixedAccess(secret)})
    exact = f"/hooks/main/after/{secret}"
    for text in (exact, without_pasted(exact + "\n"), without_pasted(quote(exact) + "%20")):
        path = parse_hook_path(text)
        assert path is not None
        assert access.refuses(path, None) is None


def test_of_a_secret_that_is_nearly_all_quotation_marks_nothing_shorter_is_accepted() -> None:
    access = Access(SIGNER, {"main": FixedAccess('"' * 15 + "a")})
    assert access.refuses(HookPath("main", "after", None, "a"), None) == "secret"


PROXY = "10.0.0.1"
FORWARDED = {
    "203.0.113.9": "203.0.113.9",
    "203.0.113.9:4711": "203.0.113.9",
    '"203.0.113.9"': "203.0.113.9",
    '"203.0.113.9:4711"': "203.0.113.9",
    "  203.0.113.9\t": "203.0.113.9",
    "2001:db8::7": "2001:db8::7",
    "[2001:db8::7]": "2001:db8::7",
    "[2001:db8::7]:4711": "2001:db8::7",
    '"[2001:db8::7]:4711"': "2001:db8::7",
    "::ffff:203.0.113.9": "::ffff:203.0.113.9",
    "198.51.100.1, 203.0.113.9:80, 10.0.0.2:443": "203.0.113.9",
    "203.0.113.9, [::ffff:10.0.0.2]:443": "203.0.113.9",
    "203.0.113.9, ,": "203.0.113.9",
    "unknown": None,
    "203.0.113.9, unknown": None,
    "203.0.113.9, _hidden, 10.0.0.2": None,
    "203.0.113.9:4711:7": None,
    "[203.0.113.9": "203.0.113.9",
    "": PROXY,
}


@pytest.mark.parametrize("header", FORWARDED)
def test_the_sender_behind_a_proxy_is_read_in_every_form(header: str) -> None:
    proxies = TrustedProxies(["10.0.0.0/8"])
    assert proxies.peer(PROXY, [(b"x-forwarded-for", header.encode())]) == FORWARDED[header]


def test_an_unnamed_sender_is_not_taken_for_the_proxy() -> None:
    access = Access(SIGNER, {"listed": FixedAccess(addresses=("10.0.0.0/8",))}, ["10.0.0.0/8"])
    peer = TrustedProxies(["10.0.0.0/8"]).peer(PROXY, [(b"x-forwarded-for", b"unknown")])
    path = our_hook("https://x/hooks/listed/before")
    assert path is not None
    assert access.refuses(path, peer) == "address"
    assert access.refuses(path, PROXY) is None


def test_paths_of_this_file_are_those_of_real_hooks() -> None:
    assert hook() == path_of("before", "r1")
