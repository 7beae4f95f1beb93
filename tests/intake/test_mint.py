from typing import Any

import httpx2
import pytest

from receiver.domain.hooks import parse_hook_path
from tests.http.api_env import SIGNER, ApiEnv

pytestmark = pytest.mark.anyio


async def mint(api_env: ApiEnv, **body: Any) -> httpx2.Response:
    return await api_env.ask("/v1/hook-urls", "mint", method="POST", json=body)


async def test_minted_urls_carry_account_event_ref_and_a_token_that_verifies(api_env: ApiEnv) -> None:
    answer = (await mint(api_env, account="main", ref="order-1")).json()
    assert answer.pop("ref") == "order-1"
    assert list(answer) == ["url_before", "url_before_again", "url_success", "url_after"]
    for name, url in answer.items():
        path = parse_hook_path(url.removeprefix("https://hooks.example"))
        assert path is not None
        assert (path.account, path.event, path.ref) == ("main", name.removeprefix("url_"), "order-1")
        assert SIGNER.verify(path)


async def test_without_a_ref_a_new_one_is_made_each_time(api_env: ApiEnv) -> None:
    refs = {(await mint(api_env, account="main")).json()["ref"] for _ in range(3)}
    assert len(refs) == 3


async def test_an_unknown_account_is_refused_and_the_known_ones_are_named(api_env: ApiEnv) -> None:
    answer = await mint(api_env, account="nobody")
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert error["field"] == "account"
    assert "main, second" in error["message"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"", "body"),
        (b"not JSON", "body"),
        (b"[]", "body"),
        (b"{}", "account"),
        (b'{"account": 5}', "account"),
        (b'{"account": "main", "ref": "a/b"}', "ref"),
        (b'{"account": "main", "ref": "a\\n"}', "ref"),
        (b'{"account": "main", "reference": "a"}', "reference"),
        (b'{"account": "\\ud800"}', "body"),
        (b'{"account": "main"' + b" " * 20_000 + b"}", "body"),
    ],
)
async def test_a_body_that_cannot_be_used_is_refused_by_field(
    api_env: ApiEnv, body: bytes, field: str
) -> None:
    answer = await api_env.ask("/v1/hook-urls", "mint", method="POST", content=body)
    assert (answer.status_code, answer.json()["error"]["field"]) == (400, field)
