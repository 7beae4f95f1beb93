"""Settings: where they come from, and what is said of bad ones."""

import re
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from receiver.cli.config import example_lines
from receiver.errors import SettingsError
from receiver.outcomes.events import describe
from receiver.settings.models import (
    AccountSettings,
    ApiSettings,
    InboxSettings,
    ListenerSettings,
    ReconcileSettings,
    RetentionSettings,
)
from receiver.settings.settings import Settings, load_settings
from tests.factories import seen

SECRET = "correct-horse-battery-staple-and-more"
TOML = f"""
port = 9000
[[hook_keys]]
name = "k1"
secret = "{SECRET}"
[accounts.main]
base_url = "https://scheduler.example/api/ver1.0"
oauth_client_id = "app"
oauth_client_secret = "{SECRET}"
[reconcile]
poll_s = 3
[aliases]
call = ["leg"]
"""


@pytest.fixture(autouse=True)
def _no_settings_around(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RECEIVER_CONFIG", raising=False)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "settings.toml"
    path.write_text(TOML)
    return path


def test_a_file_is_read_and_the_rest_has_defaults(file: Path) -> None:
    settings = load_settings(file)
    assert (settings.port, settings.host, settings.reconcile.poll_s) == (9000, "127.0.0.1", 3)
    assert settings.hook_root == "http://127.0.0.1:9000"
    assert settings.accounts["main"].client_id == "@me"
    assert (settings.api.host, settings.api.port) == ("127.0.0.1", 8081)
    listener = settings.listener
    assert (listener.max_connections, listener.max_head_bytes) == (10_000, 32 * 1024)
    assert (listener.head_s, listener.body_s, listener.idle_s) == (10, 30, 75)


def test_variables_win_over_the_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECEIVER_PORT", "9001")
    monkeypatch.setenv("RECEIVER_RECONCILE__POLL_S", "7")
    monkeypatch.setenv("RECEIVER_API__PORT", "9002")
    monkeypatch.setenv("RECEIVER_LISTENER__IDLE_S", "65")
    monkeypatch.setenv("RECEIVER_INBOX__MAX_HOOKS", "1000")
    monkeypatch.setenv("RECEIVER_ACCOUNTS__MAIN__CLIENT_ID", "10001")
    settings = load_settings(file)
    assert (settings.port, settings.reconcile.poll_s) == (9001, 7)
    assert (settings.api.port, settings.listener.idle_s, settings.inbox.max_hooks) == (9002, 65, 1000)
    assert settings.accounts["main"].client_id == "10001"
    assert settings.accounts["main"].oauth_client_id == "app"


def test_the_file_is_found_by_variable_or_by_its_name(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECEIVER_CONFIG", str(file))
    assert load_settings().port == 9000
    monkeypatch.delenv("RECEIVER_CONFIG")
    file.rename(file.parent / "receiver.toml")
    assert load_settings().port == 9000


def test_aliases_of_one_field_leave_the_others_alone(file: Path) -> None:
    aliases = load_settings(file).aliases
    assert aliases["call"] == ("leg",)
    assert aliases["task_id"] == Settings.model_fields["aliases"].default["task_id"]


BAD: dict[str, tuple[dict[str, str], str]] = {
    "a port that is no number": ({"RECEIVER_PORT": "many"}, "port"),
    "an unknown level": ({"RECEIVER_LOG_LEVEL": "loud"}, "log_level"),
    "a short key": ({"RECEIVER_HOOK_KEYS": '[{"name": "k1", "secret": "short"}]'}, "hook_keys.0.secret"),
    "a url that is none": ({"RECEIVER_ACCOUNTS__MAIN__BASE_URL": "scheduler"}, "accounts.main.base_url"),
    "a share of too much": ({"RECEIVER_ACCOUNTS__MAIN__QUOTA_SHARE": "2"}, "accounts.main.quota_share"),
    "an unknown account setting": ({"RECEIVER_ACCOUNTS__MAIN__COLOUR": "red"}, "accounts.main.colour"),
    "a negative margin": ({"RECEIVER_RECONCILE__OVERDUE_AFTER_S": "-1"}, "reconcile.overdue_after_s"),
    "an address that is none": ({"RECEIVER_TRUSTED_PROXIES": '["300.1.1.1"]'}, "trusted_proxies.0"),
    "deliveries that outlive their tasks": (
        {"RECEIVER_RETENTION__DELIVERIES_DAYS": "90", "RECEIVER_RETENTION__TASKS_DAYS": "30"},
        "retention",
    ),
    "no days at all": ({"RECEIVER_RETENTION__TASKS_DAYS": "0"}, "retention.tasks_days"),
    "days without an end": ({"RECEIVER_RETENTION__SET_ASIDE_DAYS": "inf"}, "retention.set_aside_days"),
    "a port of the API that is none": ({"RECEIVER_API__PORT": "70000"}, "api.port"),
    "no connections": ({"RECEIVER_LISTENER__MAX_CONNECTIONS": "0"}, "listener.max_connections"),
    "heads of a few bytes": ({"RECEIVER_LISTENER__MAX_HEAD_BYTES": "100"}, "listener.max_head_bytes"),
    "no time for a body": ({"RECEIVER_LISTENER__BODY_S": "0"}, "listener.body_s"),
    "an inbox for nothing": ({"RECEIVER_INBOX__MAX_HOOKS": "0"}, "inbox.max_hooks"),
    "an inbox of a few bytes": ({"RECEIVER_INBOX__MAX_BYTES": "1000"}, "inbox.max_bytes"),
    "an unknown setting of the inbox": ({"RECEIVER_INBOX__COLOUR": "red"}, "inbox.colour"),
    "an alias of nothing": ({"RECEIVER_ALIASES": '{"weather": ["w"]}'}, "aliases"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_setting_is_named_with_its_variable(
    file: Path, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    variables, name = BAD[case]
    for variable, value in variables.items():
        monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError) as caught:
        load_settings(file)
    assert f"  {name}: " in str(caught.value)
    settable = re.split(r"\.\d", name)[0]
    assert "RECEIVER_" + settable.upper().replace(".", "__") in str(caught.value)
    assert SECRET not in str(caught.value)


def test_without_a_word_everything_is_kept_for_ever(file: Path) -> None:
    kept = load_settings(file).retention
    assert (kept.deliveries_days, kept.set_aside_days, kept.tasks_days) == (None, None, None)


def test_unknown_settings_of_the_file_are_named(file: Path) -> None:
    file.write_text("colour = 1\n" + TOML)
    with pytest.raises(SettingsError, match="colour"):
        load_settings(file)


@pytest.mark.parametrize("name", ["Main", "a/b", "", "x" * 40])
def test_an_account_is_named_as_a_path_can_hold_it(file: Path, name: str) -> None:
    file.write_text(TOML.replace("[accounts.main]", f'[accounts."{name}"]'))
    with pytest.raises(SettingsError, match="accounts"):
        load_settings(file)


def test_without_anything_it_says_what_is_missing_and_where_to_begin() -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings()
    for words in ("hook_keys", "accounts", "receiver config example"):
        assert words in str(caught.value)


def test_a_file_that_is_not_there_or_no_toml_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no such file"):
        load_settings(tmp_path / "nowhere.toml")
    (tmp_path / "broken.toml").write_text("port = = 3")
    with pytest.raises(SettingsError, match=r"broken\.toml"):
        load_settings(tmp_path / "broken.toml")


def test_secrets_show_nowhere(file: Path) -> None:
    settings = load_settings(file)
    assert SECRET not in repr(settings) + str(settings) + repr(settings.accounts)


def test_the_example_names_every_setting_and_can_be_used(tmp_path: Path) -> None:
    text = "\n".join(example_lines())
    (tmp_path / "receiver.toml").write_text(text)
    assert load_settings().port == 8080
    uncommented = "\n".join(
        line.removeprefix("# ") if " = " in line and line.startswith("# ") else line
        for line in text.splitlines()
    )
    given: dict[str, Any] = tomllib.loads(uncommented)
    assert Settings.model_fields.keys() <= given.keys()
    assert AccountSettings.model_fields.keys() == given["accounts"]["main"].keys()
    assert ReconcileSettings.model_fields.keys() == given["reconcile"].keys()
    assert RetentionSettings.model_fields.keys() == given["retention"].keys()
    assert ApiSettings.model_fields.keys() == given["api"].keys()
    assert ListenerSettings.model_fields.keys() == given["listener"].keys()
    assert InboxSettings.model_fields.keys() == given["inbox"].keys()


def test_the_file_in_config_is_the_example_without_its_secrets() -> None:
    shipped = (Path(__file__).parents[2] / "config" / "receiver.toml").read_text().splitlines()
    example = "\n".join(example_lines()).splitlines()
    differing = [(a, b) for a, b in zip(shipped, example, strict=True) if a != b]
    assert [a for a, _ in differing] == ['secret = ""', '# fixed_secret = ""']


def test_numbers_without_a_country_are_of_the_accounts_country(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    second = TOML.partition("[reconcile]")[0].partition("[accounts.main]")[2]
    file.write_text(f'{TOML}[accounts.berlin]{second}region = "DE"\n')
    fold = load_settings(file).fold
    plans = {
        name: replace(seen("scheduled", 1.0, b_number="015112345678"), account=name)
        for name in ("main", "berlin")
    }
    told = {name: describe(fold([plan]))["b_number"]["e164"] for name, plan in plans.items()}
    assert told == {"main": None, "berlin": "+4915112345678"}


def test_a_country_that_there_is_not_is_named(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text(TOML.replace("[reconcile]", 'region = "Germany"\n[reconcile]'))
    with pytest.raises(SettingsError, match=r"accounts.main.region: .*'Germany' is not a country"):
        load_settings(file)
