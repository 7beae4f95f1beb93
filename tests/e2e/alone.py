"""Receivers that have nobody to ask: what they know of tasks, hooks have told them."""

from pathlib import Path

from receiver.domain.hooks import HookKey, HookSigner, mint_urls

_KEY = "s" * 40
_SIGNER = HookSigner((HookKey("k1", _KEY),))

_SETTINGS = """
store = "{store}"
log_level = "error"
hook_keys = [{{ name = "k1", secret = "{key}" }}]
[accounts.main]
base_url = "http://127.0.0.1:9/api/ver1.0"
oauth_client_id = "app"
oauth_client_secret = "an-application-secret"
[reconcile]
enabled = false
[delivery]
allowed_networks = ["127.0.0.0/8"]
"""


def write_settings(folder: Path, store: str | Path) -> Path:
    """The settings file of a receiver on that store, in that folder."""
    config = folder / "receiver.toml"
    config.write_text(_SETTINGS.format(store=store, key=_KEY))
    return config


def hook_url(root: str, ref: str, event: str) -> str:
    """Where the task's event is to be sent."""
    return mint_urls(_SIGNER, root, "main", ref)[f"url_{event}"]
