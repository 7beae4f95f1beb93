"""Which alias read which value of a delivery."""

from typing import Any

from sqlalchemy import Row

from receiver.domain.fields import FieldReader
from receiver.inbox.payload import read_payload
from receiver.intake.schemas import FieldReading


def read_fields(row: Row[Any], fields: FieldReader) -> list[FieldReading]:
    """Return what the aliases read in a row of `delivery`, in the order of the names."""
    headers = {name.lower(): value for name, value in row.headers}
    content_type, encoding = headers.get("content-type", ""), headers.get("content-encoding", "")
    pairs = read_payload(row.query, content_type, row.body, encoding).pairs
    values = fields.read(pairs)
    found: list[FieldReading] = []
    for read in fields.explain(pairs):
        is_first = not any(other.used and other.field == read.field for other in found)
        used = is_first and read.value is not None and read.value == getattr(values, read.field)
        found.append(
            FieldReading(name=read.name, field=read.field, text=read.text, used=used, fault=read.fault)
        )
    return found
