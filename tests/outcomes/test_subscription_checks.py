"""What is checked when a subscription is made or changed."""

import pytest

from tests.http.api_env import ApiEnv, Json
from tests.outcomes.test_subscriptions import URL, ask, subscribe

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("url", "texts"),
    [
        ("http://10.0.0.5/hook", ("10.0.0.5, a private address", 'allowed_networks = ["10.0.0.5/32"]')),
        ("http://[::1]/hook", ("::1, a loopback address", 'allowed_networks = ["::1/128"]')),
        ("http://localhost:8080/hook", ("a loopback address", "[delivery]")),
        ("https://crm.example:port/hook", ("its host or port cannot be read",)),
        ("https://[bad/hook", ("its host or port cannot be read",)),
    ],
)
async def test_a_url_that_may_not_be_used_is_refused_with_the_fix(
    api_env: ApiEnv, url: str, texts: tuple[str, ...]
) -> None:
    body = {"name": "crm", "url": url}
    refused = (await ask(api_env, "/v1/subscriptions", "POST", 400, body))["error"]
    assert refused["field"] == "url"
    for text in texts:
        assert text in refused["message"]
    made = await subscribe(api_env)
    path = f"/v1/subscriptions/{made['subscription']['id']}"
    assert (await ask(api_env, path, "PATCH", 400, {"url": url}))["error"] == refused
    assert (await ask(api_env, path))["url"] == URL


async def test_a_name_that_does_not_resolve_and_a_lack_of_tls_are_warnings(api_env: ApiEnv) -> None:
    made = await subscribe(api_env, url="https://crm.invalid/hook")
    assert "crm.invalid does not resolve" in made["warnings"][0]
    path = f"/v1/subscriptions/{made['subscription']['id']}"
    changed = await ask(api_env, path, "PATCH", body={"url": "http://8.8.8.8/hook"})
    assert "no TLS" in changed["warnings"][0]
    changed = await ask(api_env, path, "PATCH", body={"url": "https://8.8.8.8/hook"})
    assert changed["warnings"] == []
    assert (await ask(api_env, path, "PATCH", body={"rate": 5.0}))["warnings"] == []


@pytest.mark.parametrize(
    ("body", "field", "text"),
    [
        ({"format": "amocrm"}, "options.token", "required"),
        ({"format": "hubspot", "options": {"token": "x", "customer": "c"}}, "options.customer", "a or b"),
        ({"format": "cloudevents", "options": {"mode": "loose"}}, "options.mode", "structured or binary"),
        ({"filter": {"types": ["task.finishd"]}}, "filter", "did you mean 'task.finished'?"),
        ({"filter": {"accounts": ["mian"]}}, "filter.accounts", "did you mean 'main'?"),
    ],
)
async def test_options_and_filters_are_checked(api_env: ApiEnv, body: Json, field: str, text: str) -> None:
    given = {"name": "crm", "url": URL, **body}
    refused = (await ask(api_env, "/v1/subscriptions", "POST", 400, given))["error"]
    assert refused["field"] == field
    assert text in refused["message"]
    made = await subscribe(api_env)
    path = f"/v1/subscriptions/{made['subscription']['id']}"
    assert (await ask(api_env, path, "PATCH", 400, body))["error"] == refused
