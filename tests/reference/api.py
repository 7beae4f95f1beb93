"""The API as Markdown, from its OpenAPI document."""

import json
from collections.abc import Iterator

from receiver.api import ENDPOINTS
from receiver.http.endpoint import JSON
from receiver.http.openapi import openapi
from receiver.http.schemas import Json
from tests.reference.markdown import code, fenced, table


def api() -> str:
    """Return the index of all requests, each request, the problems, and the schemas."""
    return api_of(openapi(ENDPOINTS))


def api_of(document: Json) -> str:
    """Return an OpenAPI document as Markdown."""
    operations = [
        (method.upper(), path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    rows = (
        (f"[`{method} {path}`](#{_anchor(method, path)})", code(_scope(operation)), operation["summary"])
        for method, path, operation in operations
    )
    parts = ["## All requests\n", table(("request", "scope", "answers"), rows)]
    # Requests about one thing are not always next to each other.
    groups = dict.fromkeys(path.split("/")[2] for _, path, _ in operations)
    for group in groups:
        parts.append(f"## {group.replace('-', ' ').capitalize().replace('urls', 'URLs')}\n")
        parts += [_operation(*operation) for operation in operations if operation[1].split("/")[2] == group]
    parts += ["## Problems\n", _problems(document["components"]["responses"], document), "## Schemas\n"]
    parts += [_schema(name, schema) for name, schema in document["components"]["schemas"].items()]
    return "\n".join(parts)


def _operation(method: str, path: str, operation: Json) -> str:
    parts = [
        f"### {method} {path}\n",
        f"**{operation['summary']}.** {operation['description']} Scope: {code(_scope(operation))}"
        f"{_own(operation)}.\n",
    ]
    if operation["parameters"]:
        rows = (
            (
                code(parameter["name"]),
                _type(parameter["schema"]) + ("; required" if parameter["required"] else ""),
                parameter.get("description", ""),
            )
            for parameter in operation["parameters"]
        )
        parts.append(table(("parameter", "value", "meaning"), rows))
    parts.append(fenced("sh", _curl(method, path, operation)))
    if "requestBody" in operation:
        parts += ["Body: " + _content(operation["requestBody"])]
    parts.append("Answer: " + _content(operation["responses"]["200"]))
    others = ", ".join(status for status in operation["responses"] if status != "200")
    return "\n".join([*parts, f"Other answers: [{others}](#problems).\n"])


def _content(holder: Json) -> str:
    """Return the media types of a body, with the schema and an example of JSON."""
    others = ", ".join(code(media) for media in holder["content"] if media != JSON)
    if JSON not in holder["content"]:
        return f"{others}.\n"
    content = holder["content"][JSON]
    example = fenced("json", json.dumps(content["example"], ensure_ascii=False, indent=2))
    also = f", or {others}" if others else ""
    summary = "<summary>An example</summary>"
    return f"{_type(content['schema'])}{also}.\n\n<details>{summary}\n\n{example}\n</details>\n"


def _problems(responses: Json, document: Json) -> str:
    statuses = {
        answer["$ref"].rpartition("/")[2]: status
        for methods in document["paths"].values()
        for operation in methods.values()
        for status, answer in operation["responses"].items()
        if "$ref" in answer
    }
    rows = (
        (statuses[name], code(answer["content"][JSON]["example"]["error"]["code"]), answer["description"])
        for name, answer in responses.items()
    )
    return table(("status", "code", "meaning"), rows)


def _schema(name: str, schema: Json) -> str:
    parts = [f"### {name} (schema)\n"]
    if schema.get("description"):
        parts.append(" ".join(schema["description"].split()) + "\n")
    if schema.get("properties"):
        rows = (
            (code(field), _type(value), value.get("description", ""))
            for field, value in schema["properties"].items()
        )
        parts.append(table(("field", "value", "meaning"), rows))
    return "\n".join(parts)


def _type(schema: Json) -> str:
    """Return in a few words which values a schema allows."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()}-schema)"
    if "anyOf" in schema:
        return " or ".join(map(_type, schema["anyOf"]))
    if "enum" in schema or "const" in schema:
        return ", ".join(map(code, schema.get("enum", [schema.get("const")])))
    if schema.get("type") == "array":
        return f"list of {_type(schema['items'])}"
    if isinstance(schema.get("additionalProperties"), dict):
        keys = schema.get("propertyNames", {"type": "name"})
        return f"by {_type(keys)}: {_type(schema['additionalProperties'])}"
    return " ".join(filter(None, (schema.get("format") or schema.get("type"), *_bounds(schema)))) or "any"


def _bounds(schema: Json) -> Iterator[str]:
    if "minimum" in schema:
        yield f"from {schema['minimum']}"
    if "maximum" in schema or "exclusiveMaximum" in schema:
        yield f"to {schema.get('maximum', schema.get('exclusiveMaximum'))}"
    if "default" in schema:
        yield f"(default {json.dumps(schema['default'])})"


def _curl(method: str, path: str, operation: Json) -> str:
    for parameter in operation["parameters"]:
        examples = parameter["schema"].get("examples", [""])
        path = path.replace(f"{{{parameter['name']}}}", str(examples[0]))
    command = f'curl -H "Authorization: Bearer $TOKEN" "$RECEIVER{path}"'
    if method != "GET":
        command += f" \\\n  -X {method}"
    if "requestBody" not in operation:
        return command
    body = json.dumps(operation["requestBody"]["content"][JSON]["example"])
    return f"{command} -H 'Content-Type: application/json' -d '{body}'"


def _scope(operation: Json) -> str:
    return str(operation["security"][0]["token"][0])


def _own(operation: Json) -> str:
    """Say whether a token for one subscription alone is accepted as well."""
    return " or the subscription's own token" if len(operation["security"]) > 1 else ""


def _anchor(method: str, path: str) -> str:
    """Return the anchor that hosts and the served manual give to the heading of a request."""
    kept = "".join(letter for letter in f"{method} {path}" if letter.isalnum() or letter in " -_")
    return kept.lower().replace(" ", "-")
