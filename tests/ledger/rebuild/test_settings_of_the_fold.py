"""A setting that changes the fold changes it everywhere: in the service, in a rebuild and in its check."""

import pytest

from receiver.domain.fold import Fold
from receiver.settings.settings import Settings
from receiver.storage.engine import Store
from receiver.tasks.tables import TASK
from tests.factories import ACCOUNT, START, finished, hook, settled
from tests.ledger.ledger_env import LedgerEnv
from tests.ledger.projecting import rebuild, verify

pytestmark = pytest.mark.anyio


def with_setting(failed_uses_all_attempts: bool) -> Settings:
    account = {
        "base_url": "http://scheduler.test/api",
        "oauth_client_id": "app",
        "oauth_client_secret": "secret",
        "failed_uses_all_attempts": failed_uses_all_attempts,
    }
    key = {"name": "one", "secret": "a-secret-of-at-least-32-characters"}
    return Settings.model_validate({"accounts": {ACCOUNT: account}, "hook_keys": [key]})


async def test_whether_a_failure_uses_all_attempts_is_a_setting_of_the_account(ledger_env: LedgerEnv) -> None:
    facts = [hook("before", START), hook("after", START + 300), finished("failed", START + 301)]
    await ledger_env.ledger.record([*facts, settled(START + 900)])
    assert (attempts(ledger_env), lost(ledger_env)) == ((3, True), {"before_again": 2})
    early = with_setting(failed_uses_all_attempts=False).fold
    assert differences(ledger_env.store, early) > 0
    rebuild(ledger_env.store, fold=early)
    assert (attempts(ledger_env), lost(ledger_env)) == ((1, False), {})
    assert differences(ledger_env.store, early) == 0
    assert differences(ledger_env.store, with_setting(failed_uses_all_attempts=True).fold) > 0


def differences(store: Store, fold: Fold) -> int:
    return len(verify(store, fold=fold).differences)


def attempts(ledger_env: LedgerEnv) -> tuple[int, bool]:
    (row,) = ledger_env.rows(TASK)
    return row["attempts"], row["attempts_exact"]


def lost(ledger_env: LedgerEnv) -> dict[str, int]:
    (row,) = ledger_env.rows(TASK)
    found: dict[str, int] = row["lost"]
    return found
