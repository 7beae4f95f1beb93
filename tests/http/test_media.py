"""Endpoints that answer with something else than JSON."""

from collections.abc import AsyncIterator

import httpx2
import pytest
from openapi_spec_validator import validate
from starlette.applications import Starlette
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from receiver.errors import NotInstalledError
from receiver.http.dispatch import Resource
from receiver.http.endpoint import Call, Endpoint, Params, choose_media
from receiver.http.openapi import openapi
from receiver.tasks.schemas import Summary
from tests.http.api_env import ApiEnv
from tests.reference.api import api_of

OFFERED = ("application/json", "text/csv", "image/svg+xml")


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        ("", "application/json"),
        ("*/*", "application/json"),
        ("text/csv", "text/csv"),
        ("text/csv; charset=utf-8; header=present", "text/csv"),
        ("TEXT/CSV, application/json;q=0.5", "text/csv"),
        ("text/*;q=0.9, application/json;q=0.8", "text/csv"),
        ("text/*, text/csv;q=0, */*;q=0.1", "application/json"),
        ("text/html,image/*,*/*;q=0.8", "image/svg+xml"),
        ("application/pdf", "application/json"),
        ("text/csv;q=many", "application/json"),
        (",;,", "application/json"),
    ],
)
def test_the_type_that_is_liked_best_is_chosen(accept: str, wanted: str) -> None:
    assert choose_media(accept, OFFERED) == wanted


class Bodies:
    """What was made of a stream."""

    def __init__(self) -> None:
        self.made = 0

    async def handle(self, call: Call[Params, None]) -> Response:
        if choose_media(call.accept, OFFERED) == "image/svg+xml":
            raise NotInstalledError("charts need matplotlib: pip install 'receiver[analytics]'")
        return StreamingResponse(self.stream(), media_type=choose_media(call.accept, OFFERED))

    async def stream(self) -> AsyncIterator[bytes]:
        self.made += 1
        yield b"a,b\n"


def endpoint(bodies: Bodies, response: type[Summary] | str, *media: str) -> Endpoint:
    return Endpoint(
        *("GET", "/v1/figures", "Figures", "All of them.", "read", response, bodies.handle),
        media=media,
        problems=("501",),
    )


@pytest.mark.anyio
async def test_a_handler_may_answer_by_itself_and_nothing_is_made_for_who_wants_the_head_only(
    api_env: ApiEnv,
) -> None:
    bodies = Bodies()
    route = Route("/v1/figures", Resource(api_env.context, [endpoint(bodies, Summary, *OFFERED)]))
    transport = httpx2.ASGITransport(app=Starlette(routes=[route]))
    headers = {"Authorization": f"Bearer {await api_env.token('read')}", "Accept": "text/csv"}
    async with httpx2.AsyncClient(
        transport=transport, base_url="http://receiver.test", headers=headers
    ) as client:
        head = await client.head("/v1/figures")
        assert (head.status_code, head.headers["content-type"], bodies.made) == (
            *(200, "text/csv; charset=utf-8"),
            0,
        )
        answer = await client.get("/v1/figures")
        assert (answer.text, answer.headers["cache-control"], bodies.made) == ("a,b\n", "no-store", 1)
        missing = await client.get("/v1/figures", headers={"Accept": "image/svg+xml"})
    assert (missing.status_code, missing.json()["error"]["code"]) == (501, "not_installed")
    assert "pip install" in missing.json()["error"]["message"]


def test_the_document_and_the_page_tell_of_all_types_and_problems() -> None:
    document = openapi([endpoint(Bodies(), Summary, *OFFERED)])
    validate(document)
    answers = document["paths"]["/v1/figures"]["get"]["responses"]
    assert list(answers["200"]["content"]) == list(OFFERED)
    assert answers["501"] == {"$ref": "#/components/responses/NotInstalled"}
    text = api_of(document)
    assert ", or `text/csv`, `image/svg+xml`." in text
    assert "not_installed" in text


def test_an_answer_without_json_is_described_in_words() -> None:
    document = openapi([endpoint(Bodies(), "The rows.", "text/csv")])
    validate(document)
    answer = document["paths"]["/v1/figures"]["get"]["responses"]["200"]
    assert (answer["description"], list(answer["content"])) == ("The rows.", ["text/csv"])
    assert "Answer: `text/csv`." in api_of(document)
