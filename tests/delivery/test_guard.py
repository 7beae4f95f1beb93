"""Addresses that no subscriber's URL may lead to, however they are written, and names that lead there."""

import asyncio
import socket
from typing import Any

import httpx2
import pytest

from receiver.delivery.guard import GuardedTransport, read_networks, why_forbidden

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("127.0.0.1", "loopback"),
        ("127.8.8.8", "loopback"),
        ("::1", "loopback"),
        ("::ffff:127.0.0.1", "loopback"),
        ("10.1.2.3", "private"),
        ("172.16.0.1", "private"),
        ("192.168.0.1", "private"),
        ("::ffff:10.1.2.3", "private"),
        ("100.64.0.1", "private"),
        ("fc00::1", "private"),
        ("169.254.169.254", "metadata"),
        ("::ffff:169.254.169.254", "metadata"),
        ("fd00:ec2::254", "metadata"),
        ("169.254.1.1", "link-local"),
        ("fe80::1", "link-local"),
        ("fe80::1%eth0", "link-local"),
        ("224.0.0.1", "multicast"),
        ("0.0.0.0", "unspecified"),
        ("::", "unspecified"),
        ("255.255.255.255", "private"),
        ("64:ff9b::7f00:1", "loopback"),
        ("64:ff9b::a01:203", "private"),
        ("2002:7f00:1::", "loopback"),
        ("192.0.2.1", "private"),
    ],
)
def test_forbidden(address: str, kind: str) -> None:
    assert kind in (why_forbidden(address) or "allowed")


@pytest.mark.parametrize("address", ["8.8.8.8", "2001:4860:4860::8888", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_public(address: str) -> None:
    assert why_forbidden(address) is None


def test_what_is_allowed_by_network_may_be_asked_and_nothing_beside_it() -> None:
    allowed = read_networks(["10.1.0.0/16", "fd12::/16"])
    assert why_forbidden("10.1.2.3", allowed) is None
    assert why_forbidden("::ffff:10.1.2.3", allowed) is None
    assert why_forbidden("10.2.0.1", allowed)
    assert why_forbidden("fd12::7", allowed) is None


async def refusal(url: str, allowed: tuple[str, ...] = ()) -> str:
    async with httpx2.AsyncClient(transport=GuardedTransport(read_networks(allowed))) as client:
        with pytest.raises(httpx2.ConnectError) as caught:
            await client.post(url, content=b"{}")
    return str(caught.value)


class Names:
    """A name server that answers each question with the next of its answers."""

    def __init__(self, *answers: str) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    async def getaddrinfo(self, host: str, port: int, **_: Any) -> list[Any]:
        self.asked.append(host)
        address = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        return [(family, socket.SOCK_STREAM, 6, "", (address, port))]


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:1/",
        "http://[::1]:1/",
        "http://10.0.0.1/",
        "http://169.254.169.254/latest",
        "http://localhost:1/",
    ],
)
async def test_a_forbidden_url_is_never_connected_to_and_the_text_says_what_to_do(url: str) -> None:
    said = await refusal(url)
    assert "leads to a" in said
    assert "delivery.allowed_networks" in said


async def test_a_name_that_leads_to_a_private_address_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    names = Names("10.0.0.7")
    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", names.getaddrinfo)
    assert "private" in await refusal("https://crm.example/hook")
    assert names.asked == ["crm.example"]


async def test_a_name_that_changes_after_the_check_gains_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The address that was checked is the one that is connected to: the name is asked for once."""
    names = Names("127.0.0.2", "127.0.0.1")
    connected: list[str] = []

    async def connect(_self: Any, host: str, *_: Any, **__: Any) -> Any:
        connected.append(host)
        raise httpx2.ConnectError("nobody there")

    monkeypatch.setattr("httpcore2.AnyIOBackend.connect_tcp", connect)
    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", names.getaddrinfo)
    with pytest.raises(httpx2.ConnectError):
        async with httpx2.AsyncClient(transport=GuardedTransport(read_networks(["127.0.0.2/32"]))) as client:
            await client.post("http://rebinding.example/")
    assert connected == ["127.0.0.2"]
    assert len(names.asked) == 1
    assert "loopback" in await refusal("http://rebinding.example/")


async def test_an_allowed_network_can_be_asked() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with (
        server,
        httpx2.AsyncClient(transport=GuardedTransport(read_networks(["127.0.0.0/8"]))) as client,
    ):
        assert (await client.post(f"http://127.0.0.1:{port}/", content=b"")).text == "ok"
