"""The folder of `receiver dev`: its settings, which are written once, and its API token."""

import secrets
import socket
from pathlib import Path

from receiver.settings.settings import Settings, load_settings

SETTINGS, TOKEN, STATE = "receiver.toml", "token", "emulator.json"
"""Files of the folder."""

_PORTS = (8080, 8081, 8090)
"""Preferred ports of hooks, API and emulator."""


def load_dev_settings(folder: Path) -> Settings:
    """Return the settings of the folder. They are written if there are none."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / SETTINGS
    if not path.exists():
        write_private(path, _new_settings(folder))
    return load_settings(path)


def read_token(folder: Path) -> str:
    """Return the token in the folder, or an empty text."""
    path = folder / TOKEN
    return path.read_text().strip() if path.exists() else ""


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read."""
    path.touch(mode=0o600)
    path.write_text(text)


def _new_settings(folder: Path) -> str:
    hooks, api, emulator = map(_free_port, _PORTS)
    return f"""# Settings of `receiver dev`. Change them as you like: they are written only once.
port = {hooks}
store = "{(folder / "receiver.db").resolve()}"
log_level = "warning"
hook_keys = [{{ name = "dev", secret = "{secrets.token_urlsafe(32)}" }}]

[accounts.main]
base_url = "http://127.0.0.1:{emulator}/api/ver1.0"
client_id = "10001"
oauth_client_id = "dev"
oauth_client_secret = "{secrets.token_urlsafe(24)}"

[api]
port = {api}

[delivery]
allowed_networks = ["127.0.0.0/8", "::1/128"]
"""


def _free_port(preferred: int) -> int:
    """Return the preferred port, or another one if it is in use."""
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind(("127.0.0.1", preferred))
        except OSError:
            sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])
