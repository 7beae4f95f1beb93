"""Who may open which page and send which form, and what no form or page of another site may do."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from receiver.console.live import STREAM_PATH
from receiver.console.sign_in.session import csrf_of
from tests.console.page_env import PageEnv
from tests.console.route_access import expected, measured, objects_of, routes
from tests.http.api_env import running_rig

pytestmark = pytest.mark.anyio

BEFORE = "/console/sign-in"
"""Of pages for people who are not signed in: tests/console/test_sign_in.py and the others beside it."""

GETS = sorted(
    path
    for method, path in expected()
    if method == "GET" and path != STREAM_PATH and not path.startswith(BEFORE)
)
POSTS = sorted(
    path
    for method, path in expected()
    if method == "POST" and ":path" not in path and not path.startswith(BEFORE)
)


@pytest.fixture
async def pages(tmp_path: Path) -> AsyncIterator[PageEnv]:
    async with running_rig(tmp_path) as api_env:
        yield PageEnv(api_env)


async def test_every_route_of_the_console_is_in_the_table(pages: PageEnv) -> None:
    """Add the line that `python -m tests.console.route_access` prints, after a look at who may open it."""
    assert set(routes(pages.api_env)) == set(expected())


async def test_every_route_is_answered_as_the_table_says(tmp_path: Path) -> None:
    assert await measured(tmp_path) == expected()


async def test_a_form_that_no_page_of_the_session_has_sent_does_nothing(pages: PageEnv) -> None:
    objects = await objects_of(pages.api_env)
    session, other = await pages.session("admin"), await pages.session("operator")
    good, own = csrf_of(session), {"Sec-Fetch-Site": "same-origin"}
    forgeries: list[tuple[dict[str, str], dict[str, str]]] = [
        ({}, own),
        ({"csrf": ""}, own),
        ({"csrf": csrf_of(other)}, own),
        ({"csrf": good}, {"Sec-Fetch-Site": "cross-site"}),
        ({"csrf": good}, {"Sec-Fetch-Site": "same-site"}),
        ({"csrf": good}, {"Origin": "https://elsewhere.example"}),
        ({"csrf": good}, {"Origin": "null"}),
        ({"csrf": good}, {}),
    ]
    client, cookie = pages.api_env.client, {"Cookie": f"receiver_session={session}"}
    for path in POSTS:
        for form, headers in forgeries:
            answer = await client.post(path.format_map(objects), headers={**cookie, **headers}, data=form)
            assert answer.status_code == 403, (path, form, headers)


async def test_pages_have_headers_that_keep_other_sites_out(pages: PageEnv) -> None:
    objects = await objects_of(pages.api_env)
    for path in GETS:
        address = path.removeprefix("/console").replace(":path}", "}").format_map(objects)
        headers = (await pages.get(address, "admin+numbers")).headers
        if headers.get("location"):
            continue
        policy = dict(
            part.strip().partition(" ")[::2] for part in headers["content-security-policy"].split(";")
        )
        assert policy["default-src"] == policy["frame-ancestors"] == "'none'", path
        if "sandbox" not in policy:
            assert policy["form-action"] == policy["script-src"] == policy["style-src"] == "'self'", path
            assert policy["base-uri"] == "'none'", path
            assert ("no-store" in headers["cache-control"]) is not path.startswith("/console/static/"), path
        assert (headers["x-frame-options"], headers["x-content-type-options"]) == ("DENY", "nosniff"), path
