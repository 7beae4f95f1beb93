"""Settings from files: a variable that names one, and a folder of them."""

from pathlib import Path

import pytest

from receiver.errors import SettingsError
from receiver.settings.settings import load_settings
from tests.settings.test_settings_sources import COMPLETE, KEY, refusal

SECRET = "secret-from-a-file-of-some-length"


@pytest.fixture(autouse=True)
def _variables_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RECEIVER_CONFIG", raising=False)
    for name, value in COMPLETE.items():
        monkeypatch.setenv(name, value)


def file(folder: Path, text: str, name: str = "secret") -> str:
    path = folder / name
    path.write_text(text)
    return str(path)


@pytest.mark.parametrize("end", ["", "\n", "\r\n", "\n\n"])
def test_a_variable_names_the_file_that_its_value_is_in(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, end: str
) -> None:
    variable = "RECEIVER_ACCOUNTS__MAIN__OAUTH_CLIENT_SECRET"
    monkeypatch.delenv(variable)
    monkeypatch.setenv(f"{variable}_FILE", file(tmp_path, SECRET + end))
    monkeypatch.setenv(
        "RECEIVER_STORE_FILE", file(tmp_path, f"postgresql://u:{SECRET}@host/db{end}", "store")
    )
    monkeypatch.setenv("receiver_port_file", file(tmp_path, f"9000{end}", "port"))
    settings = load_settings()
    assert settings.accounts["main"].oauth_client_secret.get_secret_value() == SECRET
    assert settings.accounts["main"].oauth_client_id == "app"
    assert settings.store == f"postgresql://u:{SECRET}@host/db"
    assert settings.port == 9000


def test_lists_stand_in_a_file_as_json(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("RECEIVER_HOOK_KEYS")
    keys = f'[{{"name": "k2", "secret": "{"n" * 40}"}}, {{"name": "k1", "secret": "{KEY}"}}]\n'
    monkeypatch.setenv("RECEIVER_HOOK_KEYS_FILE", file(tmp_path, keys))
    assert [key.name for key in load_settings().signing_keys] == ["k2", "k1"]


def test_a_folder_holds_one_file_per_setting(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    (folder / "..data").mkdir(parents=True)
    (folder / "..data/RECEIVER_STORE").write_text("theirs.db\n")
    (folder / "RECEIVER_STORE").symlink_to("..data/RECEIVER_STORE")
    file(folder, f"{SECRET}\n", "receiver_accounts__main__fixed_secret")
    file(folder, "not ours", "tls.key")
    monkeypatch.setenv("RECEIVER_SECRETS", str(folder))
    settings = load_settings()
    secret = settings.accounts["main"].fixed_secret
    assert secret is not None
    assert secret.get_secret_value() == SECRET
    assert (settings.store, settings.accounts["main"].oauth_client_id) == ("theirs.db", "app")


def test_variables_win_over_the_folder_and_the_folder_over_the_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = tmp_path / "secrets"
    folder.mkdir()
    file(folder, "9001", "RECEIVER_PORT")
    file(folder, "folder.db", "RECEIVER_STORE")
    file(tmp_path, 'port = 9000\nstore = "file.db"\nlog_level = "error"', "receiver.toml")
    monkeypatch.setenv("RECEIVER_SECRETS", str(folder))
    monkeypatch.setenv("RECEIVER_PORT", "9002")
    settings = load_settings()
    assert (settings.port, settings.store, settings.log_level) == (9002, "folder.db", "error")
    monkeypatch.delenv("RECEIVER_PORT")
    monkeypatch.setenv("RECEIVER_PORT_FILE", file(tmp_path, "9003"))
    assert load_settings().port == 9003


def test_a_file_that_is_not_there_empty_or_no_text_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("RECEIVER_STORE_FILE", str(tmp_path / "nowhere"))
    assert refusal() == f"RECEIVER_STORE_FILE: cannot read {tmp_path / 'nowhere'}: No such file or directory"
    monkeypatch.setenv("RECEIVER_STORE_FILE", str(tmp_path))
    assert refusal() == f"RECEIVER_STORE_FILE: cannot read {tmp_path}: Is a directory"
    monkeypatch.setenv("RECEIVER_STORE_FILE", file(tmp_path, "\n"))
    assert "is empty" in refusal()
    (tmp_path / "secret").write_bytes(b"\xff\xfe")
    assert refusal() == f"RECEIVER_STORE_FILE: {tmp_path / 'secret'} is not UTF-8 text"
    monkeypatch.delenv("RECEIVER_STORE_FILE")
    monkeypatch.setenv("RECEIVER_SECRETS", str(tmp_path / "nowhere"))
    assert "RECEIVER_SECRETS: cannot read the folder" in refusal()


def test_a_value_that_is_given_twice_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("RECEIVER_HOOK_KEYS_FILE", file(tmp_path, "[]"))
    assert refusal() == "RECEIVER_HOOK_KEYS and RECEIVER_HOOK_KEYS_FILE are both set: unset one of them"


BAD = {
    "a short secret": ("RECEIVER_ACCOUNTS__MAIN__FIXED_SECRET", "short-secret", "accounts.main.fixed_secret"),
    "a short key": ("RECEIVER_HOOK_KEYS", '[{"name": "k1", "secret": "short-secret"}]', "hook_keys.0.secret"),
    "a list that is no JSON": ("RECEIVER_HOOK_KEYS", "short-secret", "hook_keys"),
    "a table that is no JSON": (
        "RECEIVER_ACCOUNTS",
        '{"main": {"oauth_client_id": "short-secret"',
        "accounts",
    ),
}


@pytest.mark.parametrize("is_folder", [False, True])
@pytest.mark.parametrize("case", BAD)
def test_a_bad_value_names_its_file_and_shows_nothing_of_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, case: str, is_folder: bool
) -> None:
    variable, text, named = BAD[case]
    monkeypatch.delenv(variable, raising=False)
    folder = tmp_path / "secrets"
    folder.mkdir()
    path = file(folder, text, variable if is_folder else "any")
    monkeypatch.setenv(*(("RECEIVER_SECRETS", str(folder)) if is_folder else (f"{variable}_FILE", path)))
    said = refusal()
    assert named in said
    assert path in said
    assert "short-secret" not in said


@pytest.mark.parametrize(
    ("misspelt", "meant"),
    [
        ("RECEIVER_HOOK_KEY_FILE", "RECEIVER_HOOK_KEYS_FILE"),
        ("RECEIVER_CONFIG_FILE", "RECEIVER_CONFIG"),
        ("RECEIVER_SECRETS_FILE", "RECEIVER_SECRETS"),
        ("RECEIVER_SECRET", "RECEIVER_SECRETS"),
    ],
)
def test_a_misspelt_variable_is_named_with_what_is_meant(
    monkeypatch: pytest.MonkeyPatch, misspelt: str, meant: str
) -> None:
    monkeypatch.setenv(misspelt, "somewhere")
    assert refusal() == f"{misspelt}: no such setting; did you mean {meant}?"


def test_a_misspelt_file_of_the_folder_is_named_as_well(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = file(tmp_path, "x", "RECEIVER_HOOK_KEY")
    monkeypatch.setenv("RECEIVER_SECRETS", str(tmp_path))
    assert refusal() == f"{path}: no such setting; did you mean RECEIVER_HOOK_KEYS?"


def test_an_unknown_part_of_a_setting_is_refused_in_a_file_too(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("RECEIVER_ACCOUNTS__MAIN__COLOUR_FILE", file(tmp_path, "red"))
    with pytest.raises(SettingsError, match=r"accounts\.main\.colour"):
        load_settings()
