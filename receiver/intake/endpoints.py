"""Endpoints of inbound deliveries, refused requests, and hook URLs; and the table of the room's endpoints."""

import base64

from sqlalchemy import Connection

from receiver.domain.hooks import mint_urls, new_ref
from receiver.errors import InputError, NotFoundError
from receiver.http.endpoint import Call, Endpoint, Params
from receiver.http.paging import data_range, read_page
from receiver.http.params import AccountQuery
from receiver.inbox.delivery_problems import require_problem
from receiver.inbox.refused import PROBLEMS
from receiver.intake import queries
from receiver.intake.field_readings import read_fields
from receiver.intake.mapping_endpoint import MAPPING_ENDPOINT
from receiver.intake.params import DeliveryQuery, MintBody
from receiver.intake.reread_endpoint import REREAD_ENDPOINT
from receiver.intake.schemas import (
    DeliveryDetails,
    DeliveryPage,
    DeliveryView,
    HookUrls,
    RefusedHooks,
    RefusedList,
)
from receiver.intake.set_aside_endpoints import SET_ASIDE_ENDPOINTS


async def list_deliveries(call: Call[DeliveryQuery, None]) -> DeliveryPage:
    """Return a page of deliveries without their content. Raises InputError for an unknown problem."""

    def read(connection: Connection) -> DeliveryPage:
        require_problem(connection, call.query.problem)
        query = queries.deliveries(call.query)
        rows, next_cursor = read_page(connection, query, queries.DELIVERIES_ORDER, call.query)
        deliveries = [DeliveryView.model_validate(row) for row in rows]
        received = queries.DELIVERIES_ORDER[0]
        outside = None if rows else data_range(connection, queries.deliveries, received, call.query)
        return DeliveryPage(deliveries=deliveries, next_cursor=next_cursor, available=outside)

    return await call.context.store.read(read)


async def get_delivery(call: Call[Params, None]) -> DeliveryDetails:
    """Return a delivery with its content. Raises NotFoundError."""
    query = queries.delivery(call.path["id"])
    row = await call.context.store.read(lambda connection: connection.execute(query).first())
    if row is None:
        raise NotFoundError("there is no such delivery: they are listed in /v1/deliveries")
    headers = [{"name": name, "value": value} for name, value in row.headers]
    try:
        body, encoding = row.body.decode(), "utf-8"
    except UnicodeDecodeError:
        body, encoding = base64.b64encode(row.body).decode(), "base64"
    readings = read_fields(row, call.context.fields)
    content = {"headers": headers, "body": body, "body_encoding": encoding, "readings": readings}
    return DeliveryDetails.model_validate(row._asdict() | content)


async def list_refused(call: Call[AccountQuery, None]) -> RefusedList:
    """Return the latest refused requests of an account, or of all."""
    refusals = call.context.refusals
    found = refusals.latest(call.query.account) if refusals else []
    return RefusedList(
        refused=[
            RefusedHooks(
                problem=PROBLEMS[requests.what.part],
                first_at=requests.first_at,
                last_at=requests.last_at,
                count=requests.count,
                **requests.what._asdict(),
            )
            for requests in found
        ]
    )


async def mint_hook_urls(call: Call[Params, MintBody]) -> HookUrls:
    """Return the four URLs of a task; nothing is stored. Raises InputError for an unknown account."""
    context, body = call.context, call.body
    if body.account not in context.accounts:
        raise InputError("account", f"not known; known accounts: {', '.join(sorted(context.accounts))}")
    ref = new_ref() if body.ref is None else body.ref
    return HookUrls.model_validate(mint_urls(context.signer, context.public_url, body.account, ref))


INTAKE_ENDPOINTS = (
    Endpoint(
        "GET",
        "/v1/deliveries",
        "List inbound deliveries",
        "Every authentic request that reached a hook URL, newest first, without its content.",
        "read",
        DeliveryPage,
        list_deliveries,
        DeliveryQuery,
    ),
    Endpoint(
        "GET",
        "/v1/deliveries/{id}",
        "Get an inbound delivery",
        "With its query, headers and body, which are likely to contain phone numbers.",
        "numbers",
        DeliveryDetails,
        get_delivery,
    ),
    Endpoint(
        "GET",
        "/v1/refused",
        "List refused hooks",
        "Requests that the hook listener refused, newest first: which part was wrong, and where they came "
        "from. The receiver that answers keeps its own in memory, 25 for each part.",
        "read",
        RefusedList,
        list_refused,
        AccountQuery,
    ),
    MAPPING_ENDPOINT,
    *SET_ASIDE_ENDPOINTS,
    REREAD_ENDPOINT,
    Endpoint(
        "POST",
        "/v1/hook-urls",
        "Mint hook URLs",
        "Four URLs for a task, to be sent when the task is created. Nothing is stored.",
        "mint",
        HookUrls,
        mint_hook_urls,
        body=MintBody,
    ),
)
