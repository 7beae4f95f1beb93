"""Addresses that no subscriber's URL may lead to, however they are written, and names that lead there."""

import asyncio
import socket
from typing import Any

import httpx2
import pytest

from receiver.outcomes.guard import GuardedTransport, read_networks, why_forbidden

pytestmark = pytest.mark.anyio


EDGES = [
    # The last address before a network, its first, its last, and the first behind it.
    ("unspecified", None, "0.0.0.0", "0.255.255.255", "1.0.0.0"),
    ("private", "9.255.255.255", "10.0.0.0", "10.255.255.255", "11.0.0.0"),
    ("shared", "100.63.255.255", "100.64.0.0", "100.127.255.255", "100.128.0.0"),
    ("loopback", "126.255.255.255", "127.0.0.0", "127.255.255.255", "128.0.0.0"),
    ("metadata", "168.63.129.15", "168.63.129.16", "168.63.129.16", "168.63.129.17"),
    ("link-local", "169.253.255.255", "169.254.0.0", "169.254.255.255", "169.255.0.0"),
    ("private", "172.15.255.255", "172.16.0.0", "172.31.255.255", "172.32.0.0"),
    ("reserved", "191.255.255.255", "192.0.0.0", "192.0.0.255", "192.0.1.0"),
    ("documentation", "192.0.1.255", "192.0.2.0", "192.0.2.255", "192.0.3.0"),
    ("6to4", "192.88.98.255", "192.88.99.0", "192.88.99.255", "192.88.100.0"),
    ("private", "192.167.255.255", "192.168.0.0", "192.168.255.255", "192.169.0.0"),
    ("benchmark", "198.17.255.255", "198.18.0.0", "198.19.255.255", "198.20.0.0"),
    ("documentation", "198.51.99.255", "198.51.100.0", "198.51.100.255", "198.51.101.0"),
    ("documentation", "203.0.112.255", "203.0.113.0", "203.0.113.255", "203.0.114.0"),
    ("multicast", "223.255.255.255", "224.0.0.0", "239.255.255.255", None),
    ("reserved", None, "240.0.0.0", "255.255.255.254", None),
    ("IPv4-compatible", None, "::2", "::ffff:ffff", None),
    ("IPv4-translated", None, "::ffff:0:0:0", "::ffff:0:ffff:ffff", None),
    ("local NAT64", None, "64:ff9b:1::", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff", None),
    ("discard", None, "100::", "100::ffff:ffff:ffff:ffff", None),
    ("reserved", None, "::1:0:0:0", "1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "2000::"),
    (
        "Teredo",
        "2000:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        "2001::",
        "2001:0:ffff:ffff:ffff:ffff:ffff:ffff",
        None,
    ),
    ("benchmark", None, "2001:2::", "2001:2:0:ffff:ffff:ffff:ffff:ffff", None),
    ("reserved", None, "2001:1::", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff", "2001:200::"),
    (
        "documentation",
        "2001:db7:ffff:ffff:ffff:ffff:ffff:ffff",
        "2001:db8::",
        "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff",
        "2001:db9::",
    ),
    (
        "6to4",
        "2001:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        "2002::",
        "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        "2003::",
    ),
    (
        "documentation",
        "3ffe:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        "3fff::",
        "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff",
        "3fff:1000::",
    ),
    (
        "reserved",
        "3fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        "4000::",
        "fbff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        None,
    ),
    ("private", None, "fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", None),
    ("reserved", None, "fe00::", "fe7f:ffff:ffff:ffff:ffff:ffff:ffff:ffff", None),
    ("link-local", None, "fe80::", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff", None),
    ("site-local", None, "fec0::", "feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", None),
    ("multicast", None, "ff00::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", None),
]


@pytest.mark.parametrize(("kind", "before", "first", "last", "behind"), EDGES)
def test_each_kind_of_address_is_refused_up_to_its_edges(
    kind: str, before: str | None, first: str, last: str, behind: str | None
) -> None:
    for address in (first, last):
        assert kind in (why_forbidden(address) or "allowed"), address
    for beside in (before, behind):
        assert beside is None or why_forbidden(beside) is None, beside


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("::", "unspecified"),
        ("::1", "loopback"),
        ("fe80::1%eth0", "link-local"),
        ("255.255.255.255", "broadcast"),
        ("169.254.169.254", "metadata"),
        ("169.254.170.2", "metadata"),
        ("100.100.100.200", "metadata"),
        ("192.0.0.192", "metadata"),
        ("fd00:ec2::254", "metadata"),
        ("fd20:ce::254", "metadata"),
        ("::127.0.0.1", "IPv4-compatible"),
        ("::8.8.8.8", "IPv4-compatible"),
        ("::ffff:127.0.0.1", "loopback"),
        ("::ffff:10.1.2.3", "private"),
        ("::ffff:169.254.169.254", "metadata"),
        ("::ffff:0:127.0.0.1", "IPv4-translated"),
        ("64:ff9b::7f00:1", "loopback"),
        ("64:ff9b::a01:203", "private"),
        ("64:ff9b::a9fe:a9fe", "metadata"),
        ("64:ff9b:0:0:0:1::", "reserved"),
        ("64:ff9b:1::808:808", "local NAT64"),
        ("64:ff9b:2::", "reserved"),
        ("2002:7f00:1::", "6to4"),
        ("2002:808:808::", "6to4"),
        ("2001:0:4136:e378:8000:63bf:3fff:fdd2", "Teredo"),
        ("2001:20::1", "reserved"),
        ("5f00::1", "reserved"),
    ],
)
def test_addresses_that_lead_elsewhere_are_refused_however_they_are_written(address: str, kind: str) -> None:
    assert kind in (why_forbidden(address) or "allowed")


@pytest.mark.parametrize(
    "address",
    [
        "8.8.8.8",
        "2001:4860:4860::8888",
        "2620:fe::fe",
        "::ffff:8.8.8.8",
        "64:ff9b::808:808",
        "64:ff9b::5db8:d822",
    ],
)
def test_global_unicast_is_let_through(address: str) -> None:
    """Also by NAT64, which is how a network without IPv4 reaches subscribers that have nothing else."""
    assert why_forbidden(address) is None


def test_a_network_is_allowed_by_its_own_addresses_only() -> None:
    allowed = read_networks(["127.0.0.0/8"])
    assert why_forbidden("64:ff9b::7f00:1", allowed) is None
    for address in ("::127.0.0.1", "2002:7f00:1::", "64:ff9b:1::7f00:1", "::1"):
        assert why_forbidden(address, allowed)
    assert why_forbidden("64:ff9b:1::7f00:1", read_networks(["64:ff9b:1::/96"])) is None


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
