import base64
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from itsdangerous import Signer

from receiver.domain.facts import EVENTS, Event
from receiver.domain.hooks import HookKey, HookPath, HookSigner, mint_urls, new_ref, our_hook, parse_hook_path
from receiver.errors import InputError

OLD, NEW = HookKey("k1", "an old secret of some length"), HookKey("k2", "a new secret of some length")
SIGNER = HookSigner((OLD,))
REFS = st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True)


def minted(public_url: str = "https://hooks.example", ref: str = "r1") -> dict[str, str]:
    return mint_urls(SIGNER, public_url, "acme", ref)


def test_minting_gives_the_ref_and_one_url_per_event() -> None:
    urls = minted()
    assert urls["ref"] == "r1"
    assert set(urls) == {"ref", "url_before", "url_before_again", "url_success", "url_after"}
    assert urls["url_before_again"].startswith("https://hooks.example/hooks/acme/before_again/r1/k1.")
    assert len(set(urls.values())) == 5


@given(ref=REFS)
def test_every_minted_url_is_recognised_and_verified(ref: str) -> None:
    urls = minted(ref=ref)
    for event in EVENTS:
        path = our_hook(urls[f"url_{event}"])
        assert path is not None
        assert (path.account, path.event, path.ref) == ("acme", event, ref)
        assert SIGNER.verify(path)


@pytest.mark.parametrize("ref", ["", "a/b", "a b", "a?b", "ä", "r" * 65, "r\n", "../x", "a%2Fb"])
def test_a_ref_that_cannot_travel_in_a_url_is_refused(ref: str) -> None:
    with pytest.raises(InputError, match="1 to 64") as caught:
        minted(ref=ref)
    assert caught.value.field == "ref"


@pytest.mark.parametrize(
    "public_url",
    [
        "https://hooks.example",
        "https://hooks.example/",
        "http://192.0.2.7:8080/pbx/prod",
        "https://example.test/hooks",
        "https://example.test/hooks/acme/before",
    ],
)
@pytest.mark.parametrize("tail", ["", "?", "?id=7", "?a=1?b=/hooks/x/after/y/z", "#top", "/", "/?id=7"])
def test_a_minted_url_is_recognised_behind_any_prefix_and_with_anything_appended(
    public_url: str, tail: str
) -> None:
    path = our_hook(minted(public_url)["url_after"] + tail)
    assert path is not None
    assert SIGNER.verify(path)
    assert path.event == "after"


@pytest.mark.parametrize(
    "url",
    [
        None,
        "",
        "https://crm.example/callback?id=7",
        "https://crm.example/hooks",
        "https://crm.example/hooks/",
        "https://crm.example/hooks/acme/during/r1/k1.x",
        "https://crm.example/?to=/hooks/acme/before/r1/k1.x",
        "http://[broken/hook",
        "no url at all",
    ],
)
def test_urls_of_others_are_not_ours(url: str | None) -> None:
    assert our_hook(url) is None


@given(st.text())
def test_recognising_a_url_never_raises(url: str) -> None:
    our_hook(url)


def test_paths_are_minted_fixed_with_a_secret_or_fixed_without() -> None:
    assert parse_hook_path("/hooks/acme/before/r1/k1.mac") == HookPath("acme", "before", "r1", "k1.mac")
    assert parse_hook_path("/hooks/acme/before/s3cret") == HookPath("acme", "before", None, "s3cret")
    assert parse_hook_path("/hooks/acme/before") == HookPath("acme", "before", None, None)
    assert parse_hook_path("/hooks/acme/before/r1/k1.mac/more") is None
    assert parse_hook_path("/v1/tasks") is None


@pytest.mark.parametrize(
    "change",
    [
        {"account": "acme2"},
        {"event": "success"},
        {"ref": "r2"},
        {"ref": None},
        {"proof": None},
        {"proof": ""},
        {"proof": "k1."},
        {"proof": "k9.mac"},
    ],
)
def test_a_token_proves_just_its_own_account_event_and_ref(change: dict[str, str | None]) -> None:
    parts = {"account": "acme", "event": "before", "ref": "r1", "proof": SIGNER.token("acme", "before", "r1")}
    assert SIGNER.verify(HookPath(**parts))  # type: ignore[arg-type]
    assert not SIGNER.verify(HookPath(**(parts | change)))  # type: ignore[arg-type]


@given(st.data())
def test_no_changed_character_of_a_token_goes_unnoticed(data: st.DataObject) -> None:
    token = SIGNER.token("acme", "before", "r1")
    place = data.draw(st.integers(0, len(token) - 1))
    letter = data.draw(st.sampled_from("Aa0_-.").filter(lambda letter: letter != token[place]))
    assert not SIGNER.verify(HookPath("acme", "before", "r1", token[:place] + letter + token[place + 1 :]))


def test_a_second_spelling_of_the_same_mac_is_not_accepted() -> None:
    """The last letter of unpadded base64 has spare bits; a comparison of decoded bytes would ignore them."""
    name, _, mac = SIGNER.token("acme", "before", "r1").partition(".")
    same = [
        mac[:-1] + letter for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    ]
    decoded = base64.urlsafe_b64decode(mac + "=")
    twins = [text for text in same if base64.urlsafe_b64decode(text + "=") == decoded and text != mac]
    assert twins
    assert not any(SIGNER.verify(HookPath("acme", "before", "r1", f"{name}.{twin}")) for twin in twins)


def test_after_a_rotation_the_first_key_signs_and_all_verify() -> None:
    rotated = HookSigner((NEW, OLD))
    for signer in (SIGNER, rotated):
        assert rotated.verify(HookPath("acme", "after", "r1", signer.token("acme", "after", "r1")))
    assert rotated.token("acme", "after", "r1").startswith("k2.")
    assert not SIGNER.verify(HookPath("acme", "after", "r1", rotated.token("acme", "after", "r1")))


def test_a_retired_key_verifies_no_more_even_under_its_old_name() -> None:
    replaced = HookSigner((HookKey(OLD.name, NEW.secret),))
    assert not replaced.verify(HookPath("acme", "after", "r1", SIGNER.token("acme", "after", "r1")))


def test_tokens_do_not_contain_the_secret() -> None:
    assert all(OLD.secret not in url for url in minted().values())


MINTED = {
    "/hooks/main/before/order-4711/k1.UTVR_n0TaZ604da-ltqAv3azKTrFKDXfEFw7U65gSLE": "k" * 40,
    "/hooks/main/before_again/order-4711/k1.vuyMXuml70yxmZFiy0Org59drdasTlp_KJeyVi9XCFA": "k" * 40,
    "/hooks/main/success/order-4711/k1.Fsppe8fK5DDEudIj92alFAkjA5gtuP-I8vcnHLoxYuo": "k" * 40,
    "/hooks/main/after/order-4711/k1.rhlY8hslMWte0mAUNUZLYgg7NuUSevBlO80T8-0IS9s": "k" * 40,
    "/hooks/main/after/r1/k1.ljskpFUvdWAjZpydACAmH3_s9OAOkrz9tgsBnkh9K0k": "секрет" * 8,
}
"""Path of a URL that the first version minted → secret of its key."""


@pytest.mark.parametrize("path", MINTED)
def test_urls_in_pbxs_stay_valid(path: str) -> None:
    signer = HookSigner((HookKey("k1", MINTED[path]),))
    found = parse_hook_path(path)
    assert found is not None
    assert signer.verify(found)
    assert signer.token(found.account, found.event, found.ref or "") == found.proof


@given(account=REFS, ref=REFS, event=st.sampled_from(EVENTS))
def test_tokens_are_those_that_itsdangerous_makes(account: str, ref: str, event: Event) -> None:
    """URLs that were minted once must be recognised for ever."""
    signer = Signer(OLD.secret, salt="receiver.hook", digest_method=hashlib.sha256)
    mac = signer.get_signature(f"{account}/{event}/{ref}").decode()
    assert SIGNER.token(account, event, ref) == f"{OLD.name}.{mac}"
    assert SIGNER.verify(HookPath(account, event, ref, f"{OLD.name}.{mac}"))


def test_a_new_ref_begins_with_its_time_so_that_refs_sort_by_it() -> None:
    refs = [new_ref(at) for at in (1_700_000_000.0, 1_700_000_000.001, 1_800_000_000.0)]
    assert refs == sorted(refs)
    assert int(refs[0][:12], 16) == 1_700_000_000_000
    assert {len(ref) for ref in [*refs, new_ref()]} == {32}
    assert new_ref() > refs[1]


def test_new_refs_differ_and_can_travel() -> None:
    refs = {new_ref() for _ in range(100)}
    assert len(refs) == 100
    assert all(minted(ref=ref)["ref"] == ref for ref in refs)
