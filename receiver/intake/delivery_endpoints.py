"""Inbound deliveries: what reached the hooks, as it came."""

import base64
from typing import Any

from sqlalchemy import Connection

from receiver.errors import NotFoundError
from receiver.http.endpoint import Call, Params
from receiver.http.paging import read_page
from receiver.intake import queries as intake_queries
from receiver.intake.params import DeliveryQuery
from receiver.intake.schemas import DeliveryPage, DeliveryView, WholeDelivery


async def list_deliveries(call: Call[DeliveryQuery, None]) -> DeliveryPage:
    """A page of deliveries without their content."""

    def read(connection: Connection) -> DeliveryPage:
        query = intake_queries.deliveries(call.query)
        rows, following = read_page(connection, query, intake_queries.DELIVERIES_ORDER, call.query)
        deliveries = [DeliveryView.model_validate(row) for row in rows]
        return DeliveryPage(deliveries=deliveries, next_cursor=following)

    return await call.context.store.read(read)


async def get_delivery(call: Call[Params, None]) -> WholeDelivery:
    """One delivery whole. Raises NotFoundError."""
    query = intake_queries.delivery(call.path["id"])
    row = await call.context.store.read(lambda connection: connection.execute(query).first())
    if row is None:
        raise NotFoundError("there is no such delivery: they are listed in /v1/deliveries")
    return _whole(row._asdict())


def _whole(row: dict[str, Any]) -> WholeDelivery:
    headers = [{"name": name, "value": value} for name, value in row["headers"]]
    body, encoding = _as_text(row["body"])
    return WholeDelivery.model_validate({**row, "headers": headers, "body": body, "body_encoding": encoding})


def _as_text(body: bytes) -> tuple[str, str]:
    try:
        return body.decode(), "utf-8"
    except UnicodeDecodeError:
        return base64.b64encode(body).decode(), "base64"
