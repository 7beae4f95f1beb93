"""`receiver columns`: the columns of exports and SQL views."""

from typing import Annotated

import typer

from receiver.analytics.views import RELATIONS, ColumnKind, Relation
from receiver.cli.output import JsonOption, print_json, print_table
from receiver.cli.table_options import tabular
from receiver.errors import InputError

_NAMES = ", ".join(RELATIONS)
_TYPES: dict[ColumnKind, str] = {
    "int": "integer",
    "float": "number",
    "bool": "true or false",
    "time": "moment",
    "number": "phone number",
    "json": "JSON",
}


@tabular
def columns(
    relation: Annotated[str | None, typer.Argument(help=f"{_NAMES}. Default: all.")] = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Describe the columns of exports and SQL views. Needs no store."""
    if relation is not None and relation not in RELATIONS:
        raise InputError("relation", f"must be one of {_NAMES}")
    found = list(RELATIONS.values()) if relation is None else [RELATIONS[relation]]
    if as_json:
        print_json([described(each) for each in found])
        return
    for each in found:
        title = f"{each.name}: {each.about}" + (f"; in SQL: {each.view}" if each.view else "")
        rows = [(field.name, _TYPES.get(field.kind, "text"), field.about) for field in each.fields]
        print_table(title, ("column", "type", "meaning"), rows)


def described(relation: Relation) -> dict[str, object]:
    fields = [
        {"name": field.name, "type": _TYPES.get(field.kind, "text"), "about": field.about}
        for field in relation.fields
    ]
    return {"relation": relation.name, "about": relation.about, "view": relation.view, "columns": fields}
