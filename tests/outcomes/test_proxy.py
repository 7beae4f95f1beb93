"""Deliveries through a real proxy on a socket, which connects only where the guard allows."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from random import Random
from typing import Any

import httpx2
import pytest
import structlog

from receiver.domain.proxy_url import NoProxy, read_proxy
from receiver.errors import SettingsError
from receiver.outcomes.guard import GuardedTransport, read_networks
from receiver.outcomes.proxy import ProxyRoute, find_route
from receiver.outcomes.sender import Sender
from receiver.settings.conversion import subscriber_transport
from receiver.settings.models import DeliverySettings
from tests.operators.test_deploy_proxy import write_certificate
from tests.outcomes.connect_proxy import ConnectProxy, connect_proxy
from tests.outcomes.delivery_env import LOCAL, DeliveryEnv
from tests.outcomes.subscriber import Subscriber
from tests.outcomes.test_guard import Names
from tests.outcomes.test_sender import live

pytestmark = pytest.mark.anyio

ENDS = {"types": ["task.finished"]}


def route(proxy: ConnectProxy, user: str = "", no_proxy: tuple[str, ...] = ()) -> ProxyRoute:
    return ProxyRoute(read_proxy(f"http://{user}127.0.0.1:{proxy.port}"), NoProxy(no_proxy))


@asynccontextmanager
async def delivering(delivery_env: DeliveryEnv, through: ProxyRoute) -> AsyncIterator[None]:
    """A sender that delivers through a proxy."""
    transport = GuardedTransport(LOCAL, route=through)
    store, metrics = delivery_env.ledger_env.store, delivery_env.ledger_env.metrics
    stop = asyncio.Event()
    sender = Sender(store, transport, delivery_env.clock, Random(1), metrics)
    running = asyncio.create_task(sender.run(stop))
    try:
        yield
    finally:
        stop.set()
        await asyncio.wait_for(running, 30)


async def test_a_delivery_goes_through_the_proxy_with_its_user(
    delivery_env: DeliveryEnv, crm: Subscriber
) -> None:
    secret = await delivery_env.subscribe(crm.url.replace("127.0.0.1", "localhost"), filter=ENDS)
    async with connect_proxy() as proxy, delivering(delivery_env, route(proxy, "me:p%40ss@")):
        await live(delivery_env, "r1")
        (received,) = await crm.until(1)
    received.verify(secret)
    assert received.headers["host"].startswith("localhost:")
    assert "proxy-authorization" not in received.headers
    (head,) = proxy.requests
    # The address that the guard has checked, not the name, which the proxy would resolve itself.
    assert head.startswith(f"CONNECT 127.0.0.1:{crm.url.split(':')[2].split('/')[0]} HTTP/1.1\r\n")
    assert "Proxy-Authorization: Basic bWU6cEBzcw==" in head


async def refusal(url: str, proxy: ConnectProxy, allowed: tuple[str, ...] = ()) -> str:
    transport = GuardedTransport(read_networks(allowed), route=route(proxy))
    async with httpx2.AsyncClient(transport=transport) as client:
        with pytest.raises(httpx2.ConnectError) as caught:
            await client.post(url, content=b"{}")
    return str(caught.value)


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/", "https://10.0.0.1/", "http://169.254.169.254/latest"])
async def test_the_proxy_is_not_asked_for_a_forbidden_address(url: str) -> None:
    async with connect_proxy() as proxy:
        assert "delivery.allowed_networks" in await refusal(url, proxy)
    assert proxy.requests == []


async def test_a_name_is_resolved_once_and_the_proxy_gets_that_address(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A name that leads to a public address first, and to a private one when it is asked for again."""
    async with connect_proxy(status=502) as proxy:
        names = Names("93.184.215.14", "10.0.0.7")
        loop = asyncio.get_running_loop()
        real = loop.getaddrinfo

        async def getaddrinfo(host: Any, port: Any, **rest: Any) -> Any:
            is_proxy = port == proxy.port
            return await (real(host, port, **rest) if is_proxy else names.getaddrinfo(host, port, **rest))

        monkeypatch.setattr(loop, "getaddrinfo", getaddrinfo)
        await refusal("https://rebinding.example/hook", proxy)
        assert proxy.targets == ["93.184.215.14:443"]
        assert "private" in await refusal("https://rebinding.example/hook", proxy)
        assert len(proxy.requests) == 1


async def test_tls_is_spoken_with_the_subscriber_through_the_tunnel(tmp_path: Path) -> None:
    write_certificate(tmp_path)
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(tmp_path / "tls_certificate", tmp_path / "tls_key")

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError):  # of a client that does not trust the certificate
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok")
            await writer.drain()
        writer.close()

    trusting = ssl.create_default_context(cafile=str(tmp_path / "tls_certificate"))
    trusting.check_hostname = False  # the certificate names its host in an outdated way
    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=serving)
    url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    async with server, connect_proxy() as proxy:
        async with httpx2.AsyncClient(transport=GuardedTransport(LOCAL, trusting, route(proxy))) as client:
            assert (await client.post(url, content=b"{}")).text == "ok"
        assert len(proxy.requests) == 1
        strict = GuardedTransport(LOCAL, ssl.create_default_context(), route(proxy))
        async with httpx2.AsyncClient(transport=strict) as client:
            with pytest.raises(httpx2.ConnectError):  # the certificate is of nobody that is trusted
                await client.post(url, content=b"{}")


@pytest.mark.parametrize(
    ("status", "advice"),
    [(407, "check user and password in `delivery.proxy`"), (403, "it must allow CONNECT to addresses")],
)
async def test_a_refusal_of_the_proxy_is_named_without_its_password(
    delivery_env: DeliveryEnv, crm: Subscriber, status: int, advice: str
) -> None:
    await delivery_env.subscribe(crm.url, filter=ENDS)
    with structlog.testing.capture_logs() as logs:
        async with connect_proxy(status) as proxy, delivering(delivery_env, route(proxy, "me:hush@")):
            await live(delivery_env, "r1")
            await delivery_env.tried(1)
    problem = delivery_env.attempts()[0]["problem"]
    assert problem.startswith(f"the proxy 127.0.0.1:{proxy.port} answered {status}: {advice}")
    assert "hush" not in f"{delivery_env.attempts()} {logs} {route(proxy, 'me:hush@')!r}"
    assert crm.received == []


async def test_a_proxy_that_is_not_there_is_named() -> None:
    async with connect_proxy() as proxy:
        pass
    said = await refusal("http://127.0.0.1:9/", proxy, ("127.0.0.0/8",))
    assert (
        said == f"the proxy 127.0.0.1:{proxy.port} cannot be reached (ConnectError); check `delivery.proxy`"
    )


async def test_hosts_of_no_proxy_are_reached_directly_and_guarded(
    delivery_env: DeliveryEnv, crm: Subscriber
) -> None:
    await delivery_env.subscribe(crm.url, filter=ENDS)
    async with connect_proxy() as proxy:
        async with delivering(delivery_env, route(proxy, no_proxy=("127.0.0.0/8",))):
            await live(delivery_env, "r1")
            await crm.until(1)
        direct = GuardedTransport((), route=route(proxy, no_proxy=("*",)))
        async with httpx2.AsyncClient(transport=direct) as client:
            with pytest.raises(httpx2.ConnectError, match="loopback"):
                await client.post(crm.url, content=b"{}")
    assert (proxy.requests, len(crm.received)) == ([], 1)


@pytest.mark.parametrize(
    ("entries", "host", "address", "matches"),
    [
        ("crm.example", "crm.example", "8.8.8.8", True),
        ("crm.example", "a.CRM.example.", "8.8.8.8", True),
        (".crm.example", "a.crm.example", "8.8.8.8", True),
        ("*.crm.example", "a.crm.example", "8.8.8.8", True),
        ("crm.example", "notcrm.example", "8.8.8.8", False),
        ("crm.example:8443", "crm.example", "8.8.8.8", True),
        ("10.0.0.0/8", "crm.example", "10.1.2.3", True),
        ("10.1.2.3", "crm.example", "10.1.2.3", True),
        ("10.1.2.3:8080", "crm.example", "10.1.2.3", True),
        ("::1", "localhost", "::1", True),
        ("[fd12::7]:80", "crm.example", "fd12::7", True),
        ("10.0.0.0/8", "crm.example", "11.1.2.3", False),
        ("*", "crm.example", "8.8.8.8", True),
        ("", "crm.example", "8.8.8.8", False),
    ],
)
def test_no_proxy_names_hosts_and_networks(entries: str, host: str, address: str, matches: bool) -> None:
    assert NoProxy(entries.split(",")).matches(host, address) is matches


def test_hosts_without_a_proxy_may_be_one_text_as_in_the_variable() -> None:
    assert DeliverySettings.model_validate({"no_proxy": "crm.example, 10.0.0.0/8"}).no_proxy == (
        "crm.example",
        " 10.0.0.0/8",
    )
    assert DeliverySettings.model_validate({"proxy": "", "no_proxy": ""}).no_proxy is None


def test_the_proxy_of_the_environment_is_taken_only_if_the_setting_says_so() -> None:
    variables = {"HTTPS_PROXY": "http://proxy.example:3128", "NO_PROXY": "crm.example, 10.0.0.0/8"}
    assert find_route(None, None, variables) is None
    named = find_route("environment", None, variables)
    assert named is not None
    assert (named.proxy.host, named.proxy.port) == ("proxy.example", 3128)
    assert named.no_proxy.matches("crm.example", "8.8.8.8")
    assert find_route("environment", None, {}) is None
    own = find_route("https://other.example", ["10.0.0.0/8"], variables)
    assert own is not None
    assert (own.proxy.port, own.proxy.is_tls) == (443, True)
    assert not own.no_proxy.matches("crm.example", "8.8.8.8")


@pytest.mark.parametrize(
    "url",
    [
        "proxy:3128",
        "socks5://me:hush@proxy:1080",
        "socks5://me:hush@proxy",
        "http://me:hush@",
        "http://me:hush@proxy/path",
        "http://p:x",
    ],
)
def test_a_proxy_that_cannot_be_read_is_named_without_its_password(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ValueError, match="use http://USER:PASSWORD@HOST:PORT") as caught:
        DeliverySettings.model_validate({"proxy": url})
    assert "hush" not in str(caught.value.errors(include_input=False))  # type: ignore[attr-defined]
    monkeypatch.setenv("HTTPS_PROXY", url)
    with pytest.raises(SettingsError, match="the variable HTTPS_PROXY") as refused:
        subscriber_transport(DeliverySettings.model_validate({"proxy": "environment"}))
    assert "hush" not in str(refused.value)
