"""The OpenAPI document, made from the table of endpoints."""

import re
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any, NamedTuple

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, models_json_schema

from receiver.http.endpoint import JSON, Endpoint
from receiver.http.problems import PROBLEM_TYPES, RETRY_AFTER_S
from receiver.http.schemas import Json, ProblemAnswer
from receiver.http.tokens import OWN, SCOPES

_REFS = "#/components/schemas/{model}"

PATH_PARAMETERS = {
    "account": ("The account's name.", "main"),
    "key": ("Our ref, or the vendor's task id.", "5f1d8a0c9be64a7e8f20b1c3d4e5f607"),
    "queue_id": ("The vendor's id of the queue.", "17"),
    "subscription": ("The subscription's id.", "sub_1f0c9be64a7e8f20"),
    "message": ("The message's seq.", "4711"),
    "token": ("The token's name.", "partner"),
    "chart": ("The name of the chart.", "trend"),
    "id": ("The delivery's id.", "019ca8d1e5f0a1b2c3d4e5f60718293a"),
    "relation": ("What is exported.", "tasks"),
}
_CODES = {str(kind.status): kind.code for kind in reversed(PROBLEM_TYPES.values())}


class _Response(NamedTuple):
    """A response that several endpoints have. `name`: of its component; `example`, `field`: of its
    message.
    """

    name: str
    description: str
    example: str
    field: str | None = None


_RESPONSES = {
    "400": _Response(
        "BadInput",
        "A parameter or the body is wrong; `field` names it.",
        "limit: must be 500 or less",
        "limit",
    ),
    "401": _Response(
        "Unauthorized",
        "No token, or one that is not accepted.",
        "send a token that is not revoked: Authorization: Bearer rcv_…",
    ),
    "403": _Response(
        "Forbidden",
        "The token lacks the scope that the message names.",
        "this needs a token with the scope 'read'",
    ),
    "404": _Response(
        "NotFound",
        "The object does not exist.",
        "the account has no such queue: they are listed in /v1/queues",
    ),
    "409": _Response(
        "Conflict",
        "The object's state does not allow this; the message names the state.",
        "the task has finished: there is nothing left to cancel",
    ),
    "501": _Response(
        "NotInstalled",
        "An optional part of the receiver is not installed; the message says how to install it.",
        "Parquet needs pyarrow: pip install 'receiver[analytics]'",
    ),
    "502": _Response(
        "SchedulerFailed",
        "The scheduler's API is down, refuses the request, or its quota is used up; nothing was done.",
        "create_tasks: no connection (ConnectError)",
    ),
    "503": _Response(
        "Unavailable",
        "The store cannot answer now (`unavailable`), too many long answers are being made (`too_many`), or "
        "this one took too long (`too_slow`); try again after `Retry-After` seconds.",
        f"the store cannot answer now: try again in {RETRY_AFTER_S} seconds",
    ),
}
_RARE = ("409", "501", "502")
"""Statuses of which an endpoint declares that it has them."""

_HEADERS = {
    "401": ("WWW-Authenticate", {"type": "string", "examples": ["Bearer"]}, "The authentication scheme."),
    "503": ("Retry-After", {"type": "integer", "examples": [RETRY_AFTER_S]}, "Seconds."),
}


class _ComponentNames(GenerateJsonSchema):
    """Names components like their classes. `View`, which tells a class from that of the domain, is left
    out.
    """

    def normalize_name(self, name: str) -> str:
        return super().normalize_name(name).removesuffix("View")


def openapi(endpoints: Sequence[Endpoint]) -> Json:
    """Return the document, OpenAPI 3.1."""
    schemas = _schemas(endpoints)
    paths: dict[str, Json] = {}
    for endpoint in endpoints:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint, schemas)
    known = {**SCOPES, OWN: "what a token for one subscription alone has"}
    scopes = "; ".join(f"`{scope}`: {text}" for scope, text in known.items())
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Callback receiver",
            "version": version("receiver"),
            "description": "Callback tasks, and how their outcomes are known. Times are ISO 8601, UTC. "
            "Unknown parameters are refused.",
        },
        "paths": paths,
        "components": {
            "schemas": schemas,
            "responses": {
                response.name: _problem(status, response)
                for status, response in _RESPONSES.items()
                if any(status in _statuses(endpoint) for endpoint in endpoints)
            },
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": f"A token's scopes: {scopes}."}
            },
        },
    }


def _schemas(endpoints: Sequence[Endpoint]) -> dict[str, Json]:
    answers = {item.response for item in endpoints if not isinstance(item.response, str)} | {ProblemAnswer}
    bodies = {item.body for item in endpoints if item.body}
    models: list[tuple[type[BaseModel], JsonSchemaMode]] = [(model, "serialization") for model in answers]
    models += [(model, "validation") for model in bodies]
    _, made = models_json_schema(models, ref_template=_REFS, schema_generator=_ComponentNames)
    schemas: dict[str, Json] = made["$defs"]
    return {name: schema | {"title": name} for name, schema in sorted(schemas.items())}


def _operation(endpoint: Endpoint, schemas: dict[str, Json]) -> Json:
    in_path = [
        _path_parameter(name, endpoint.choices.get(name, ()))
        for name in re.findall(r"{(\w+)}", endpoint.path)
    ]
    operation: Json = {
        "operationId": _operation_id(endpoint),
        "summary": endpoint.summary,
        "description": endpoint.description,
        "security": [{"token": [endpoint.scope]}, *([{"token": [OWN]}] if endpoint.own else [])],
        "parameters": [*in_path, *_query_parameters(endpoint.query)],
        "responses": {
            "200": _answer(endpoint, schemas),
            **{
                status: {"$ref": f"#/components/responses/{_RESPONSES[status].name}"}
                for status in _statuses(endpoint)
            },
        },
    }
    if endpoint.body:
        operation["requestBody"] = {"required": True} | _json(endpoint.body, schemas)
    return operation


def _statuses(endpoint: Endpoint) -> list[str]:
    """Return the statuses of the endpoint's problems."""
    is_there = {"404": "{" in endpoint.path} | {status: status in endpoint.problems for status in _RARE}
    return [status for status in _RESPONSES if is_there.get(status, True)]


def _operation_id(endpoint: Endpoint) -> str:
    return re.sub(r"\W+", "_", f"{endpoint.method.lower()} {endpoint.path.removeprefix('/v1/')}").strip("_")


def _answer(endpoint: Endpoint, schemas: dict[str, Json]) -> Json:
    others = {media: {"schema": {"type": "string"}} for media in endpoint.media if media != JSON}
    if isinstance(endpoint.response, str):
        return {"description": endpoint.response, "content": others}
    content = _json(endpoint.response, schemas)["content"] | others
    return {"description": _first_line(endpoint.response), "content": content}


def _json(model: type[BaseModel], schemas: dict[str, Json]) -> Json:
    schema = {"$ref": _REFS.format(model=model.__name__.removesuffix("View"))}
    return {"content": {JSON: {"schema": schema, "example": _example_of(schema, schemas)}}}


def _path_parameter(name: str, choices: Sequence[str]) -> Json:
    text, example = PATH_PARAMETERS[name]
    shape = {"enum": list(choices)} if choices else {"minLength": 1}
    schema = {"type": "string", **shape, "examples": [example]}
    return {"name": name, "in": "path", "required": True, "description": text, "schema": schema}


def _query_parameters(model: type[BaseModel]) -> list[Json]:
    schema_of_all = model.model_json_schema()
    properties: dict[str, Json] = schema_of_all.get("properties", {})
    required = schema_of_all.get("required", ())
    return [
        {"name": name, "in": "query", "required": name in required}
        | {key: text for key, text in schema.items() if key == "description"}
        | {"schema": _given(schema)}
        for name, schema in properties.items()
    ]


def _given(schema: Json) -> Json:
    """Return the schema of a parameter that is given: a parameter is left out, never null."""
    left = {key: value for key, value in schema.items() if key not in ("title", "description", "anyOf")}
    if left.get("default", 0) is None:
        del left["default"]
    shapes = [shape for shape in schema.get("anyOf", []) if shape != {"type": "null"}]
    for shape in shapes[:1]:
        left |= shape if len(shapes) == 1 else {"anyOf": shapes}
    return {key: value for key, value in left.items() if key != "description"}


def _problem(status: str, response: _Response) -> Json:
    example = {"error": {"code": _CODES[status], "message": response.example, "field": response.field}}
    schema = {"$ref": _REFS.format(model=ProblemAnswer.__name__)}
    answer: Json = {
        "description": response.description,
        "content": {JSON: {"schema": schema, "example": example}},
    }
    if status in _HEADERS:
        name, kind, meaning = _HEADERS[status]
        answer["headers"] = {name: {"description": meaning, "schema": kind}}
    return answer


def _first_line(model: type[BaseModel]) -> str:
    return (model.__doc__ or "").strip().splitlines()[0]


def _example_of(schema: Json, schemas: Mapping[str, Json]) -> Any:
    """Return the schema's example, or one made from its properties, or that of its first alternative."""
    if "examples" in schema:
        return schema["examples"][0]
    if "$ref" in schema or "anyOf" in schema:
        name = schema.get("$ref", "").rpartition("/")[2]
        return _example_of(schemas[name] if name else schema["anyOf"][0], schemas)
    if "properties" in schema:
        return {name: _example_of(inner, schemas) for name, inner in schema["properties"].items()}
    if schema.get("type") == "array":
        return [_example_of(schema["items"], schemas)]
    if "additionalProperties" in schema:
        names = schema.get("propertyNames", {}).get("enum", ["name"])
        return {name: _example_of(schema["additionalProperties"], schemas) for name in names}
    return schema.get("enum", [schema.get("const", schema.get("default"))])[0]
