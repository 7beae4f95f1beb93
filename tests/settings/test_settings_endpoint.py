"""`GET /v1/settings`: the settings of the running receiver, without secrets."""

from pathlib import Path

import pytest

from receiver.settings.settings import load_settings
from receiver.settings.settings_endpoint import RunningSettings
from tests.http.api_env import running_rig

pytestmark = pytest.mark.anyio

SECRET = "a-secret-of-at-least-32-characters"


async def test_values_and_their_places_are_shown_and_secrets_masked(tmp_path: Path) -> None:
    file = tmp_path / "receiver.toml"
    file.write_text(
        f'store = "postgresql://anna:{SECRET}@db.example/receiver"\n'
        f'hook_keys = [{{ name = "k1", secret = "{SECRET}" }}]\n'
        '[accounts.main]\nbase_url = "https://scheduler.example/api"\nclient_id = "1"\n'
        f'oauth_client_id = "app"\noauth_client_secret = "{SECRET}"\n'
    )
    settings = load_settings(file)
    file.write_text(file.read_text().replace('client_id = "1"', 'client_id = "2"'))
    running = {RunningSettings: RunningSettings(settings)}
    async with running_rig(tmp_path, services=running) as api_env:
        answer = await api_env.ask("/v1/settings", "audit")
        assert SECRET not in answer.text
        found = {row["name"]: row for row in answer.json()["settings"]}
        assert found["api.port"] == {"name": "api.port", "value": 8081, "source": "default", "place": None}
        client = found["accounts.main.client_id"]
        assert (client["value"], client["source"], client["place"]) == ("1", "file", str(file))
        changed = (await api_env.get("/v1/settings", "audit", changed="true"))["settings"]
        assert {row["source"] for row in changed} == {"file"}
        assert (await api_env.ask("/v1/settings", "read")).status_code == 403


async def test_a_command_without_a_receiver_says_so(tmp_path: Path) -> None:
    async with running_rig(tmp_path, services={}) as api_env:
        answer = await api_env.ask("/v1/settings", "audit")
        assert (answer.status_code, "running receiver" in answer.text) == (409, True)
