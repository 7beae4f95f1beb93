"""The documentation page, made from the OpenAPI document: plain HTML, no script, nothing from the network."""

import json
import re
from collections.abc import Iterable
from html import escape
from importlib.resources import files

from receiver.http.endpoint import JSON
from receiver.http.schemas import Json


def page(document: Json) -> str:
    """The whole page."""
    info = document["info"]
    operations = [
        (method.upper(), path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    schemas = document["components"]["schemas"]
    token = document["components"]["securitySchemes"]["token"]
    style = files("receiver.http").joinpath("page.css").read_text(encoding="utf-8")
    return "\n".join(
        [
            '<!doctype html><html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape(info['title'])}</title><style>{style}</style></head><body>",
            f"<header><h1>{escape(info['title'])} <small>{escape(info['version'])}</small></h1>",
            f"<p>{_text(info['description'])}</p>",
            f"<p>Send a token: <code>Authorization: Bearer rcv_…</code>. {_text(token['description'])}</p>",
            '<p>For programs: <a href="/openapi.json">openapi.json</a>, OpenAPI 3.1.</p></header>',
            f"<nav aria-label='Endpoints'><ul>{_each(_entry(*each) for each in operations)}</ul></nav>",
            f"<main>{_each(_operation(*each) for each in operations)}",
            "<section><h2 id='problems'>When something is wrong</h2>",
            f"{_problems(document['components']['responses'], document)}</section>",
            f"<h2 id='shapes'>Shapes</h2>{_each(_shape(name, each) for name, each in schemas.items())}",
            "</main></body></html>",
        ]
    )


def _entry(method: str, path: str, operation: Json) -> str:
    name, anchor = escape(operation["summary"]), operation["operationId"]
    return f"<li><a href='#{anchor}'><b>{method}</b> <code>{escape(path)}</code></a> {name}</li>"


def _operation(method: str, path: str, operation: Json) -> str:
    scope = operation["security"][0]["token"][0]
    parts = [
        f"<section id='{operation['operationId']}'><h2>{escape(operation['summary'])}</h2>",
        f"<p class='path'><b>{method}</b> <code>{escape(path)}</code></p>",
        f"<p>{_text(operation['description'])} Scope: <code>{scope}</code>.</p>",
        _parameters(operation["parameters"]),
        f"<pre>{escape(_curl(method, path, operation))}</pre>",
    ]
    if "requestBody" in operation:
        parts.append(f"<h3>Body</h3>{_content(operation['requestBody'])}")
    parts.append(f"<h3>Answer</h3>{_content(operation['responses']['200'])}")
    others = ", ".join(status for status in operation["responses"] if status != "200")
    return "".join([*parts, f"<p>Else: <a href='#problems'>{others}</a>.</p></section>"])


def _parameters(parameters: list[Json]) -> str:
    if not parameters:
        return ""
    rows = (
        f"<tr><th scope='row'><code>{each['name']}</code>{' *' if each['required'] else ''}</th>"
        f"<td>{_kind(each['schema'])}</td><td>{_text(each.get('description', ''))}</td></tr>"
        for each in parameters
    )
    return _table(("Parameter", "Value", "Meaning"), rows)


def _content(holder: Json) -> str:
    others = ", ".join(f"<code>{escape(media)}</code>" for media in holder["content"] if media != JSON)
    shapes = _shown(holder["content"][JSON]) if JSON in holder["content"] else ""
    return shapes + (f"<p>{'Or ' if shapes else ''}{others}.</p>" if others else "")


def _shown(content: Json) -> str:
    example = escape(json.dumps(content["example"], ensure_ascii=False, indent=2))
    return f"<details><summary>{_kind(content['schema'])}, an example</summary><pre>{example}</pre></details>"


def _problems(responses: Json, document: Json) -> str:
    statuses = {
        answer["$ref"].rpartition("/")[2]: status
        for methods in document["paths"].values()
        for operation in methods.values()
        for status, answer in operation["responses"].items()
        if "$ref" in answer
    }
    rows = (
        f"<tr><th scope='row'>{statuses[name]}</th><td>{_text(answer['description'])}</td>"
        f"<td><code>{escape(answer['content'][JSON]['example']['error']['code'])}</code></td></tr>"
        for name, answer in responses.items()
    )
    return _table(("Status", "Meaning", "Code"), rows)


def _shape(name: str, schema: Json) -> str:
    rows = (
        f"<tr><th scope='row'><code>{field}</code></th><td>{_kind(each)}</td>"
        f"<td>{_text(each.get('description', ''))}</td></tr>"
        for field, each in schema.get("properties", {}).items()
    )
    table = _table(("Field", "Value", "Meaning"), rows)
    text = _text(schema.get("description", ""))
    return f"<section id='shape-{name}'><h3>{name}</h3><p>{text}</p>{table}</section>"


def _table(heads: Iterable[str], rows: Iterable[str]) -> str:
    head = _each(f"<th scope='col'>{each}</th>" for each in heads)
    return (
        f"<div class='wide'><table><thead><tr>{head}</tr></thead><tbody>{_each(rows)}</tbody></table></div>"
    )


def _kind(schema: Json) -> str:
    """What values a schema allows, in a few words."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"<a href='#shape-{name}'>{name}</a>"
    if "anyOf" in schema:
        return " or ".join(_kind(each) for each in schema["anyOf"])
    if "enum" in schema or "const" in schema:
        values = schema.get("enum", [schema.get("const")])
        return ", ".join(f"<code>{escape(str(each))}</code>" for each in values)
    if schema.get("type") == "array":
        return f"list of {_kind(schema['items'])}"
    if isinstance(schema.get("additionalProperties"), dict):
        names = schema.get("propertyNames", {"type": "name"})
        return f"by {_kind(names)}: {_kind(schema['additionalProperties'])}"
    return escape(" ".join(filter(None, (schema.get("type"), schema.get("format"), _bounds(schema)))))


def _bounds(schema: Json) -> str:
    least, most = schema.get("minimum"), schema.get("maximum", schema.get("exclusiveMaximum"))
    known = [f"from {least}" * (least is not None), f"to {most}" * (most is not None)]
    default = f", default {schema['default']}" if "default" in schema else ""
    return " ".join(filter(None, known)) + default


def _curl(method: str, path: str, operation: Json) -> str:
    for each in operation["parameters"]:
        path = path.replace(f"{{{each['name']}}}", str(each["schema"].get("examples", [""])[0]))
    command = f'curl -H "Authorization: Bearer $TOKEN" "$RECEIVER{path}"'
    if method != "GET":
        command += f" \\\n  -X {method}"
    if "requestBody" not in operation:
        return command
    body = json.dumps(operation["requestBody"]["content"][JSON]["example"])
    return f"{command} -H 'Content-Type: application/json' -d '{body}'"


def _text(text: str) -> str:
    """Escaped, with `code` as code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))


def _each(parts: Iterable[str]) -> str:
    return "".join(parts)
