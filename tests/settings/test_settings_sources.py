"""Where settings come from when something about the source is odd, and that no error shows a secret."""

from pathlib import Path

import pytest

from receiver.errors import SettingsError
from receiver.settings.settings import load_settings

KEY = "key-" + "k" * 40
COMPLETE = {
    "RECEIVER_HOOK_KEYS": f'[{{"name": "k1", "secret": "{KEY}"}}]',
    "RECEIVER_ACCOUNTS__MAIN__BASE_URL": "https://scheduler.example/api/ver1.0",
    "RECEIVER_ACCOUNTS__MAIN__OAUTH_CLIENT_ID": "app",
    "RECEIVER_ACCOUNTS__MAIN__OAUTH_CLIENT_SECRET": "oauth-secret",
}


@pytest.fixture(autouse=True)
def _variables_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RECEIVER_CONFIG", raising=False)
    for name, value in COMPLETE.items():
        monkeypatch.setenv(name, value)


def refusal(path: Path | None = None) -> str:
    with pytest.raises(SettingsError) as caught:
        load_settings(path)
    return str(caught.value)


def test_variables_alone_are_enough() -> None:
    settings = load_settings()
    assert settings.signing_keys[0].secret == KEY
    assert list(settings.accounts) == ["main"]


def test_lists_and_tables_are_given_as_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECEIVER_ACCOUNTS__MAIN__FIXED_ADDRESSES", '["192.0.2.7", "10.1.2.3/8"]')
    monkeypatch.setenv("RECEIVER_ALIASES__TASK_ID", '["Nr"]')
    settings = load_settings()
    assert settings.accounts["main"].fixed_addresses == ("192.0.2.7/32", "10.0.0.0/8")
    assert settings.aliases["task_id"] == ("Nr",)
    assert "cdr" in settings.aliases["call"]


@pytest.mark.parametrize(
    ("misspelt", "meant"),
    [
        ("RECEIVER_PROT", "RECEIVER_PORT"),
        ("RECEIVER_LOGLEVEL", "RECEIVER_LOG_LEVEL"),
        ("RECEIVER_ACCOUNT__MAIN__CLIENT_ID", "RECEIVER_ACCOUNTS"),
    ],
)
def test_a_misspelt_variable_is_named_with_what_is_meant(
    monkeypatch: pytest.MonkeyPatch, misspelt: str, meant: str
) -> None:
    monkeypatch.setenv(misspelt, "9000")
    assert {misspelt, meant} <= {word.strip(":;,?") for word in refusal().split()}


def test_a_variable_like_no_setting_may_be_somebody_elses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECEIVER_DB_SERVICE_HOST", "10.0.0.1")
    assert load_settings().host == "127.0.0.1"


def test_a_file_that_the_variable_names_must_be_there(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("RECEIVER_CONFIG", str(tmp_path / "nowhere.toml"))
    assert refusal().startswith(f"{tmp_path / 'nowhere.toml'}: no such file")


def test_an_empty_variable_names_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECEIVER_CONFIG", "")
    assert load_settings().port == 8080


def test_the_file_that_is_named_by_hand_wins_over_the_variables_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name, port in (("a", 9001), ("b", 9002)):
        (tmp_path / f"{name}.toml").write_text(f"port = {port}")
    monkeypatch.setenv("RECEIVER_CONFIG", str(tmp_path / "a.toml"))
    assert (load_settings().port, load_settings(tmp_path / "b.toml").port) == (9001, 9002)


def test_a_file_that_is_not_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "receiver.toml").write_bytes(b'host = "\xff"')
    assert refusal().startswith("receiver.toml: ")


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("RECEIVER_HOOK_KEYS", "just-the-secret-itself", "hook_keys"),
        (
            "RECEIVER_HOOK_KEYS",
            '[{"name": "k1", "secret": "too-short-secret"}]',
            "RECEIVER_HOOK_KEYS as JSON",
        ),
        (
            "RECEIVER_HOOK_KEYS",
            '[{"name": "k 1", "secret": "a-secret-in-the-wrong-place"}]',
            "hook_keys.0.name",
        ),
        ("RECEIVER_ACCOUNTS__MAIN", '{"oauth_client_secret": "cut-off-secret"', "accounts.main"),
        ("RECEIVER_ACCOUNTS__MAIN__FIXED_SECRET", "a-secret", "RECEIVER_ACCOUNTS__MAIN__FIXED_SECRET"),
        ("RECEIVER_ACCOUNTS__MAIN__BASE_URL", "ftp://user:a-secret@host/", "accounts.main.base_url"),
        ("RECEIVER_ACCOUNTS__MAIN__FIXED_ADDRESSES", "10.0.0.1", "as JSON"),
    ],
)
def test_what_is_said_of_a_bad_setting_shows_no_secret(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, said: str
) -> None:
    monkeypatch.setenv(variable, value)
    text = refusal()
    assert said in text
    for secret in (KEY, "oauth-secret", "the-secret-itself", "short-secret", "a-secret", "cut-off-secret"):
        assert secret not in text
