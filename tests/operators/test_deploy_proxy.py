"""config/nginx: a real nginx with our file and a certificate passes hooks on and nothing else."""

import datetime
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import httpx2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from receiver.settings.models import ListenerSettings
from tests.app.serving import Serving, serving
from tests.e2e.processes import free_port
from tests.operators.debian import find_nginx
from tests.operators.image import TOP
from tests.operators.prometheus import running

pytestmark = pytest.mark.anyio

CONFIG = (TOP / "config/nginx/nginx.conf").read_text()
READY = "location = /ready { return 200; }"


def write_certificate(folder: Path) -> None:
    """A certificate for 127.0.0.1 that rests on nobody, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (folder / "tls_certificate").write_bytes(certificate.public_bytes(pem))
    form, nothing = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (folder / "tls_key").write_bytes(key.private_bytes(pem, form, nothing))


@contextmanager
def proxy(folder: Path, hooks_port: int) -> Iterator[str]:
    """nginx with our file, but for its addresses and folders; its root."""
    write_certificate(folder)
    port, ready = free_port(), free_port()
    text = CONFIG.replace("172.31.250.2:8080", f"127.0.0.1:{hooks_port}")
    text = text.replace("listen 8443 ssl", f"listen 127.0.0.1:{port} ssl")
    text = re.sub(r"(?<= )(/run/secrets|/tmp|/dev)(?=/)", str(folder), text)
    plain = f"server {{ listen 127.0.0.1:{ready}; access_log off; {READY} }}"
    (folder / "nginx.conf").write_text(text.replace("upstream hooks", f"{plain}\n    upstream hooks"))
    options = ("-e", "stderr", "-c", str(folder / "nginx.conf"), "-g", "daemon off; master_process off;")
    with running([find_nginx(), *options], folder, f"http://127.0.0.1:{ready}/ready"):
        yield f"https://127.0.0.1:{port}"


@asynccontextmanager
async def public(folder: Path) -> AsyncIterator[tuple[Serving, httpx2.AsyncClient]]:
    """A receiver, and a client of the proxy in front of it."""
    async with serving(folder, trusted_proxies=("127.0.0.1/32",)) as service:
        with proxy(folder, service.hooks_port) as root:
            async with httpx2.AsyncClient(base_url=root, verify=False) as http:
                yield service, http


async def test_hooks_are_passed_on_with_where_they_come_from(tmp_path: Path) -> None:
    async with public(tmp_path) as (service, http):
        forged = {"X-Forwarded-For": "203.0.113.9"}
        path = service.hook("r1") + "?имя=a%20b&id=7"
        assert (await http.post(path, content=b"x" * 2_000_000, headers=forged)).status_code == 200
        assert (await http.get(service.hook("r2") + "%0A")).status_code == 200
        kept = {row["ref"]: row for row in await service.kept()}
    assert kept["r1"]["peer"] == "127.0.0.1"
    assert len(kept["r1"]["body"]) == 262_144
    assert kept["r1"]["query"].endswith("&id=7")


@pytest.mark.parametrize(
    "path", ["/", "/healthz", "/readyz", "/metrics", "/docs", "/v1/tasks", "/hooks", "/hooks/../metrics"]
)
async def test_nothing_else_is_answered(tmp_path: Path, path: str) -> None:
    async with public(tmp_path) as (service, http):
        answer = await http.get(httpx2.URL(http.base_url, raw_path=path.encode()))
        assert answer.status_code == 404
        assert "x-request-id" not in answer.headers
        # Nor is it by a receiver that is asked directly.
        assert (await service.hooks.get("/metrics")).status_code == 404


async def test_no_log_holds_a_url(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    async with public(tmp_path) as (service, http):
        path = service.hook("r1")
        await http.get(path)
        service.service.stop()
        await service.running
        assert (await http.get(path)).status_code == 502
    lines = (tmp_path / "stdout").read_text().splitlines()
    assert [line.split()[2:5] for line in lines] == [["GET", "200", "200"], ["GET", "502", "502"]]
    said = "".join([*lines, *capfd.readouterr()])
    assert path.rpartition("/")[2] not in said


def test_the_proxy_gives_up_idle_connections_first() -> None:
    (seconds,) = set(re.findall(r"keepalive_timeout (\d+)s;", CONFIG))
    assert float(seconds) < ListenerSettings().idle_s
