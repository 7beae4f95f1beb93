"""A small OpenID provider on a socket: it signs the user in at once, and lies where a test wants it."""

import asyncio
import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlencode

import uvicorn
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from receiver.server import listen

CLIENT_ID, CLIENT_SECRET = "receiver-test", "s3cret:with/signs"


@dataclass
class OidcServer:
    """`claims`: about the user. `lies`: claims of tokens that replace the right ones; None takes one out.
    `stranger`: another key, or a shared secret, signs. `header`: of tokens.
    """

    url: str = ""
    claims: dict[str, Any] = field(default_factory=dict)
    lies: dict[str, Any] = field(default_factory=dict)
    header: dict[str, Any] = field(default_factory=lambda: {"alg": "RS256"})
    now: float = 0.0
    key: RSAKey = field(default_factory=lambda: new_key("k1"))
    stranger: RSAKey | bytes | None = None
    denies: bool = False
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    redeemed: list[dict[str, str]] = field(default_factory=list)
    key_requests: int = 0

    def rotate(self) -> None:
        """Sign with a new key from now on, and publish it alone."""
        self.key = new_key(secrets.token_hex(4))

    def routes(self) -> list[Route]:
        return [
            Route("/.well-known/openid-configuration", self._metadata),
            Route("/authorize", self._authorize),
            Route("/token", self._token, methods=["POST"]),
            Route("/keys", self._keys),
        ]

    async def _metadata(self, _request: Request) -> Response:
        endpoints = {"authorization_endpoint": "authorize", "token_endpoint": "token", "jwks_uri": "keys"}
        addresses = {name: f"{self.url}/{path}" for name, path in endpoints.items()}
        return JSONResponse({"issuer": self.url, **addresses})

    async def _authorize(self, request: Request) -> Response:
        query = dict(request.query_params)
        assert query["client_id"] == CLIENT_ID
        assert query["response_type"] == "code"
        assert query["code_challenge_method"] == "S256"
        assert "openid" in query["scope"].split()
        back = {"state": query["state"], "iss": self.url}
        if self.denies:
            answer = back | {"error": "access_denied"}
        else:
            code = secrets.token_urlsafe(16)
            self.codes[code] = query
            answer = back | {"code": code}
        return RedirectResponse(f"{query['redirect_uri']}?{urlencode(answer)}", 302)

    async def _token(self, request: Request) -> Response:
        form = {name: values[0] for name, values in parse_qs((await request.body()).decode()).items()}
        scheme, _, basic = request.headers.get("authorization", "").partition(" ")
        asked = self.codes.pop(form["code"], None)
        expected = base64.b64encode(f"{CLIENT_ID}:s3cret%3Awith%2Fsigns".encode()).decode()
        digest = hashlib.sha256(form["code_verifier"].encode()).digest()
        challenge = _base64(digest).decode()
        if (scheme, basic) != ("Basic", expected) or asked is None:
            return JSONResponse({"error": "invalid_grant"}, 400)
        if (challenge, form["redirect_uri"]) != (asked["code_challenge"], asked["redirect_uri"]):
            return JSONResponse({"error": "invalid_grant"}, 400)
        self.redeemed.append(asked)
        return JSONResponse({"access_token": "x", "token_type": "Bearer", "id_token": self._id_token(asked)})

    def _id_token(self, asked: dict[str, str]) -> str:
        times = {"iat": int(self.now), "exp": int(self.now) + 300}
        right = {"iss": self.url, "aud": CLIENT_ID, "nonce": asked["nonce"], **times, **self.claims}
        claims = {name: value for name, value in (right | self.lies).items() if value is not None}
        header = {"kid": self.key.kid, **self.header}
        if isinstance(self.stranger, bytes):
            return _by_hand(header, claims, self.stranger)
        return jwt.encode(header, claims, self.stranger or self.key, [self.header["alg"]])

    async def _keys(self, _request: Request) -> Response:
        self.key_requests += 1
        document = KeySet([self.key]).as_dict(private=False)
        document["keys"].append({"kty": "new", "kid": "of a kind that nobody knows yet"})
        return JSONResponse(document)


def _by_hand(header: dict[str, Any], claims: dict[str, Any], secret: bytes) -> str:
    """Return a token that no library would make: signed by a shared secret, or not at all without one."""
    signed = b".".join(_base64(json.dumps(part).encode()) for part in (header, claims))
    signature = hmac.new(secret, signed, hashlib.sha256).digest() if secret else b""
    return b".".join((signed, _base64(signature))).decode()


def _base64(value: bytes) -> bytes:
    return base64.urlsafe_b64encode(value).rstrip(b"=")


def new_key(kid: str) -> RSAKey:
    return RSAKey.generate_key(2048, {"kid": kid, "use": "sig"})


@asynccontextmanager
async def oidc_server(now: float) -> AsyncIterator[OidcServer]:
    """Run a provider until the end of the block."""
    server = OidcServer(now=now, claims={"sub": "4711", "preferred_username": "Anna", "groups": ["shift"]})
    socket = listen("127.0.0.1", 0)
    server.url = f"http://127.0.0.1:{socket.getsockname()[1]}"
    config = uvicorn.Config(Starlette(routes=server.routes()), lifespan="off", log_config=None)
    program = _Server(config)
    running = asyncio.create_task(program.serve(sockets=[socket]))
    try:
        yield server
    finally:
        program.should_exit = True
        await running


class _Server(uvicorn.Server):
    """uvicorn without signal handlers."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
