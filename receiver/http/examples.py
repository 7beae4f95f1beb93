"""An example of a schema, put together from the examples of its parts."""

from collections.abc import Mapping
from typing import Any

from receiver.http.values import Json


def example_of(schema: Json, schemas: Mapping[str, Json]) -> Any:
    """The schema's own example, or one made of those of its properties, or of its first alternative."""
    if "examples" in schema:
        return schema["examples"][0]
    if "$ref" in schema or "anyOf" in schema:
        name = schema.get("$ref", "").rpartition("/")[2]
        return example_of(schemas[name] if name else schema["anyOf"][0], schemas)
    if "properties" in schema:
        return {name: example_of(each, schemas) for name, each in schema["properties"].items()}
    if schema.get("type") == "array":
        return [example_of(schema["items"], schemas)]
    if "additionalProperties" in schema:
        names = schema.get("propertyNames", {}).get("enum", ["name"])
        return {name: example_of(schema["additionalProperties"], schemas) for name in names}
    return schema.get("enum", [schema.get("const", schema.get("default"))])[0]
