import re
from typing import Any

import pytest
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import validate
from starlette.routing import Route

from receiver.api import ENDPOINTS, v1_routes
from receiver.http.openapi import openapi
from tests.http.api_env import ApiEnv

DOCUMENT = openapi(ENDPOINTS)
OPERATIONS = [
    (path, method, operation)
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
]


def test_the_document_is_valid() -> None:
    validate(DOCUMENT)


def examples(value: Any) -> list[tuple[dict[str, Any], Any]]:
    """Every (schema, example) of the document."""
    found = []
    if isinstance(value, dict):
        if "schema" in value and "example" in value:
            found.append((value["schema"], value["example"]))
        found += [(value, example) for example in value.get("examples", ()) if "properties" not in value]
        found += [pair for each in value.values() for pair in examples(each)]
    elif isinstance(value, list):
        found += [pair for each in value for pair in examples(each)]
    return found


def test_every_example_is_of_its_schema() -> None:
    pairs = examples(DOCUMENT)
    assert len(pairs) > 100
    for schema, example in pairs:
        errors = list(OAS31Validator({**DOCUMENT, **schema}).iter_errors(example))
        assert not errors, (schema, example, errors)


def test_every_parameter_says_what_it_means() -> None:
    for path, _, operation in OPERATIONS:
        for parameter in operation["parameters"]:
            assert parameter.get("description"), (path, parameter["name"])
            assert "null" not in str(parameter["schema"]), (path, parameter["name"])


def test_every_operation_has_a_name_of_its_own() -> None:
    names = [operation["operationId"] for _, _, operation in OPERATIONS]
    assert len(set(names)) == len(names) == len(ENDPOINTS)


@pytest.mark.anyio
async def test_every_route_is_in_the_document_and_every_documented_one_exists(api_env: ApiEnv) -> None:
    routes = {route.path for route in v1_routes(api_env.context) if isinstance(route, Route)}
    # OpenAPI has no words for a stream: that of outcomes is told of beside the feed.
    apart = {"/openapi.json", "/v1/{rest:path}", "/v1/outcomes/stream"}
    assert routes - apart == set(DOCUMENT["paths"])
    assert "/v1/outcomes/stream" in DOCUMENT["paths"]["/v1/outcomes"]["get"]["description"]
    served = (await api_env.client.get("/openapi.json")).json()
    assert served == DOCUMENT
    for path, method, _ in OPERATIONS:
        answer = await api_env.client.request(method.upper(), re.sub(r"{\w+}", "x", path))
        assert answer.status_code == 401, path
