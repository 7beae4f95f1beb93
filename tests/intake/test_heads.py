"""Request lines and headers: what is understood, and that nothing is which could be read in two ways."""

import pytest
import structlog

from tests.emulator.virtual import VirtualLoop
from tests.intake.intake_env import FIXED_SECRET
from tests.intake.listener_env import FORGED, ListenerEnv, chunked, get, hook, listening, post
from tests.intake.wired import LIMITS

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, type]]:
    return "asyncio", {"loop_factory": VirtualLoop}


def lines(*lines: str, body: bytes = b"") -> bytes:
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def posted(*headers: str, version: str = "1.1", body: bytes = b"id=7") -> bytes:
    return lines(f"POST {hook()} HTTP/{version}", "Host: x", *headers, body=body)


AMBIGUOUS = {
    "two equal lengths": posted("Content-Length: 4", "Content-Length: 4"),
    "two lengths": posted("Content-Length: 4", "Content-Length: 3"),
    "a list of lengths": posted("Content-Length: 4, 4"),
    "a length with a sign": posted("Content-Length: +4"),
    "a negative length": posted("Content-Length: -4"),
    "a length in hexadecimal": posted("Content-Length: 0x4"),
    "an empty length": posted("Content-Length:"),
    "a length beyond 64 bits": posted("Content-Length: 99999999999999999999999"),
    "a length and chunks": posted("Content-Length: 5", "Transfer-Encoding: chunked", body=b"0\r\n\r\n"),
    "chunks and a length": posted("Transfer-Encoding: chunked", "Content-Length: 5", body=b"0\r\n\r\n"),
    "chunks in HTTP/1.0": posted("Transfer-Encoding: chunked", version="1.0", body=b"0\r\n\r\n"),
    "gzip, chunked": posted("Transfer-Encoding: gzip, chunked", body=b"0\r\n\r\n"),
    "gzip and chunked": posted("Transfer-Encoding: gzip", "Transfer-Encoding: chunked", body=b"0\r\n\r\n"),
    "chunked and gzip": posted("Transfer-Encoding: chunked", "Transfer-Encoding: gzip", body=b"0\r\n\r\n"),
    "chunked twice": posted("Transfer-Encoding: chunked", "Transfer-Encoding: chunked", body=b"0\r\n\r\n"),
    "identity": posted("Transfer-Encoding: identity"),
    "another coding": posted("Transfer-Encoding: xchunked", body=b"0\r\n\r\n"),
    "a coding behind a control byte": posted("Transfer-Encoding: \x0bchunked", body=b"0\r\n\r\n"),
    "white space before the colon": posted("Content-Length : 4"),
    "a tab before the colon": posted("Content-Length\t: 4"),
    "a folded header": posted("X: a", " b", "Content-Length: 4"),
    "a header folded with a tab": posted("X: a", "\tb", "Content-Length: 4"),
    "a folded coding": posted("Transfer-Encoding:", " chunked", body=b"0\r\n\r\n"),
    "a first header that is folded": lines(f"GET {hook()} HTTP/1.1", " Host: x"),
    "a bare line feed between headers": posted("X: a\nContent-Length: 4"),
    "a bare line feed behind the first line": lines(f"GET {hook()} HTTP/1.1\nHost: x"),
    "bare line feeds only": f"GET {hook()} HTTP/1.1\nHost: x\n\n".encode(),
    "a bare line feed before the empty line": f"GET {hook()} HTTP/1.1\r\nHost: x\n\r\n".encode(),
    "a bare line feed as the empty line": f"GET {hook()} HTTP/1.1\r\nHost: x\r\n\n".encode(),
    "a bare carriage return in a value": posted("X: a\rb", "Content-Length: 4"),
    "a bare carriage return in a name": posted("X\r: a", "Content-Length: 4"),
    "a bare carriage return behind the first line": lines(f"GET {hook()} HTTP/1.1\rHost: x"),
    "a NUL in a value": posted("X: a\0b", "Content-Length: 4"),
    "a NUL in a name": posted("X\0: a", "Content-Length: 4"),
    "a header without a colon": posted("Content-Length 4"),
    "a header without a name": posted(": 4"),
    "a carriage return in the target": lines(f"GET {hook()}?a\rb HTTP/1.1", "Host: x"),
    "a line feed in the target": lines(f"GET {hook()}?a\nb HTTP/1.1", "Host: x"),
    "no version": lines(f"GET {hook()}"),
    "HTTP/1.2": lines(f"GET {hook()} HTTP/1.2", "Host: x"),
    "HTTP/2": lines(f"GET {hook()} HTTP/2.0", "Host: x"),
    "the beginning of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a method in lower case": lines(f"get {hook()} HTTP/1.1", "Host: x"),
    "the beginning of TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    "a space before the method": b" " + get(hook()),
    "a tab behind the method": lines(f"GET\t{hook()} HTTP/1.1", "Host: x"),
}


@pytest.mark.parametrize("case", AMBIGUOUS)
async def test_what_could_be_read_in_two_ways_is_refused_at_once_and_ends_the_connection(
    env: ListenerEnv, case: str
) -> None:
    line = env.connect()
    began = env.listener.now()
    line.send(AMBIGUOUS[case] + get(hook("smuggled")))
    answer = await line.answer()
    assert (answer.status_code, answer.headers["connection"]) == (400, "close")
    assert env.listener.now() == began
    assert await line.ends() == b""
    assert env.inbox.hooks == []
    assert env.counted("malformed", "unknown") == 1
    assert env.in_flight == 0


@pytest.mark.parametrize("size", [1, 7, 100])
async def test_it_is_refused_in_pieces_as_well(env: ListenerEnv, size: int) -> None:
    for request in AMBIGUOUS.values():
        line = env.connect()
        for at in range(0, len(request), size):
            line.send(request[at : at + size])
        assert (await line.answer()).status_code == 400
        await line.ends()
    assert env.inbox.hooks == []


async def test_a_head_is_taken_in_whatever_its_pieces(env: ListenerEnv) -> None:
    request = post(hook(), b"id=7", "X-Odd: 1")
    for cut in range(1, len(request)):
        line = env.connect()
        line.send(request[:cut])
        assert (await line.ask(request[cut:])).status_code == 200
        line.close()
    assert env.bodies == [b"id=7"] * (len(request) - 1)
    assert {dict(each.headers)[b"x-odd"] for each in env.inbox.hooks} == {b"1"}


async def test_a_head_over_the_limit_is_a_431_and_the_end(env: ListenerEnv) -> None:
    fits = "X: " + "a" * (LIMITS.max_head_bytes - len(get(hook(), "X: ")) + 4)
    line = env.connect()
    assert (await line.ask(get(hook(), fits))).status_code == 200
    answer = await line.ask(get(hook(), fits + "a") + get(hook("behind")))
    assert (answer.status_code, answer.headers["connection"]) == (431, "close")
    assert await line.ends() == b""
    assert len(env.inbox.hooks) == env.counted("malformed", "unknown") == 1


async def test_a_head_without_an_end_is_refused_as_soon_as_it_is_over_the_limit(env: ListenerEnv) -> None:
    line = env.connect()
    line.send(b"GET / HTTP/1.1\r\nX: ")
    for _ in range(LIMITS.max_head_bytes // 1024):
        assert not line.transport.received
        line.send(b"a" * 1024)
    assert (await line.answer()).status_code == 431
    await line.ends()


async def test_empty_lines_before_a_request_are_skipped(env: ListenerEnv) -> None:
    line = env.connect()
    assert (await line.ask(b"\r\n\r\n" + post(hook("r1")))).status_code == 200
    for piece in (b"\r", b"\n", b"\r\n", post(hook("r2"))):
        line.send(piece)
    assert (await line.answer()).status_code == 200
    assert [each.ref for each in env.inbox.hooks] == ["r1", "r2"]


@pytest.mark.parametrize(
    ("query", "kept"),
    [
        (b"?finish_comment=\xd0\xbd\xd0\xb5\xd1\x82", b"finish_comment=%D0%BD%D0%B5%D1%82"),
        (b"?a=no answer", b"a=no%20answer"),
        (b"?a=1\x012\x7f3\t4\0", b"a=1%012%7F3%094%00"),
        (b"?a=x HTTP/1.1", b"a=x%20HTTP/1.1"),
        (b"?a=%D0%BD+b", b"a=%D0%BD+b"),
        (b"?a=1#part", b"a=1#part"),
        (b"?a=1?b=2", b"a=1?b=2"),
    ],
)
async def test_bytes_that_cannot_stand_in_a_target_are_escaped_and_the_hook_is_taken_in(
    env: ListenerEnv, query: bytes, kept: bytes
) -> None:
    request = get(hook()).replace(b" HTTP/1.1", query + b" HTTP/1.1", 1)
    line = env.connect()
    assert (await line.ask(request)).status_code == 200
    (raw,) = env.inbox.hooks
    assert (raw.query, raw.ref) == (kept, "r1")
    assert (await line.ask(get(hook()))).status_code == 200


@pytest.mark.parametrize("origin", ["http://hooks.example", "HTTPS://hooks.example:443", "http://[::1]:80"])
async def test_a_target_may_be_a_whole_url(env: ListenerEnv, origin: str) -> None:
    line = env.connect()
    assert (await line.ask(post(f"{origin}{hook()}?a=1"))).status_code == 200
    assert (env.inbox.hooks[0].ref, env.inbox.hooks[0].query) == ("r1", b"a=1")
    for other in (origin, f"{origin}?{hook()}", f"ftp://x{hook()}", f"/{origin}{hook()}"):
        assert (await line.ask(get(other))).status_code == 404


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (get(hook(), method="HEAD"), 405),
        (get(FORGED, method="HEAD"), 404),
        (get("/healthz", method="HEAD"), 200),
    ],
)
async def test_the_answer_to_a_head_request_has_no_body(
    env: ListenerEnv, request_bytes: bytes, status: int
) -> None:
    line = env.connect()
    line.send(request_bytes + get("/healthz"))
    assert (await line.answer("HEAD")).status_code == status
    assert (await line.answer()).json() == {"status": "ok"}
    assert env.inbox.hooks == []


@pytest.mark.parametrize("method", ["OPTIONS", "DELETE", "PATCH"])
async def test_other_methods_are_told_which_to_use(env: ListenerEnv, method: str) -> None:
    line = env.connect()
    answer = await line.ask(get(hook(), method=method))
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, POST, PUT")
    assert (await line.ask(get("*", method=method))).status_code == 404
    assert (await line.ask(get(hook()))).status_code == 200


async def test_a_tunnel_is_refused_and_what_follows_is_no_request(env: ListenerEnv) -> None:
    line = env.connect()
    answer = await line.ask(get("hooks.example:443", method="CONNECT") + get(hook()))
    assert (answer.status_code, answer.headers["connection"]) == (404, "close")
    assert await line.ends() == b""
    assert env.inbox.hooks == []


@pytest.mark.parametrize("name", ["Upgrade", "upgrade", "UPGRADE", "uPgRaDe"])
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_an_upgrade_is_not_looked_at_and_the_body_is_read(
    env: ListenerEnv, name: str, method: str
) -> None:
    """Java's client asks for HTTP/2 in this way on every new connection."""
    wishes = ("Connection: Upgrade, HTTP2-Settings", f"{name}: h2c", "HTTP2-Settings: AAEAAEAAAAIAAAABAAMA")
    request = post(hook(), b"id=7", *wishes) if method == "POST" else get(hook(), *wishes)
    line = env.connect()
    answer = await line.ask(request)
    assert (answer.status_code, answer.headers.get("connection")) == (200, None)
    assert (await line.ask(request)).status_code == 200
    assert env.bodies == [b"id=7" if method == "POST" else b""] * 2
    assert dict(env.inbox.hooks[0].headers)[b"upgrade"] == b"h2c"


@pytest.mark.parametrize(
    ("request_bytes", "closes"),
    [
        (post(hook()), False),
        (post(hook(), b"id=7", "Connection: keep-alive"), False),
        (post(hook(), b"id=7", "Connection: close"), True),
        (post(hook(), b"id=7", "connection: Close, TE"), True),
        (post(hook(), version="1.0"), True),
        (post(hook(), b"id=7", "Connection: keep-alive", version="1.0"), True),
        (get(FORGED), False),
        (get(FORGED, version="1.0"), True),
    ],
)
async def test_an_answer_says_so_where_it_is_the_connections_last(
    env: ListenerEnv, request_bytes: bytes, closes: bool
) -> None:
    line = env.connect()
    answer = await line.ask(request_bytes + get(hook("behind")))
    assert answer.headers.get("connection") == ("close" if closes else None)
    if closes:
        assert await line.ends() == b""
    else:
        assert (await line.answer()).status_code == 200
    assert ("behind" in {each.ref for each in env.inbox.hooks}) != closes


async def test_it_is_alive_and_answers_nothing_else(env: ListenerEnv) -> None:
    line = env.connect()
    answer = await line.ask(get("/healthz"))
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    assert (await line.ask(get("http://x/healthz?now"))).status_code == 200
    for path in ("/", "/readyz", "/metrics", "/v1/tasks", "/docs", "/healthz/", "/hooks", "/hooks/"):
        assert (await line.ask(get(path))).status_code == 404
    assert (await line.ask(post("/healthz"))).status_code == 404


async def test_what_cannot_be_parsed_is_logged_once_with_the_beginning_of_its_path_only() -> None:
    secret = f"/hooks/main/before/{FIXED_SECRET}"
    unparsable = (
        get(f"{secret}?number=79161234567", "X : y"),
        get("/+79161234567/79161234567", "X : y"),
        get("/short\r\nCookie:secret", "X : y"),
        b"nonsense\r\n\r\n",
        chunked(hook(), b"zz\r\n"),
    )
    shown = []
    for request in unparsable:
        with structlog.testing.capture_logs() as logs:
            async with listening() as env:
                for _ in range(3):
                    line = env.connect("192.0.2.4")
                    assert (await line.ask(request)).status_code == 400
        (log,) = [log for log in logs if log["event"] == "a request cannot be parsed and is refused"]
        assert (log["log_level"], log["peer"]) == ("warning", "192.0.2.4")
        shown.append(log["path"])
    assert shown == ["/hooks/main/before/…", "/+791•••67/791•••67/…", "/short/…", "(no path)", "(no path)"]


@pytest.mark.parametrize("version", ["1.0", "1.1"])
async def test_a_hook_without_host_is_taken_in(env: ListenerEnv, version: str) -> None:
    """RFC 9112 asks for 400. The name of the host decides nothing here, and the hook would be lost."""
    line = env.connect()
    line.send(f"GET {hook()}?id=7 HTTP/{version}\r\n\r\n".encode())
    assert (await line.answer()).status_code == 200
    assert env.inbox.hooks[0].query == b"id=7"
