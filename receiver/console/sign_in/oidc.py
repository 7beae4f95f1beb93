"""An OpenID provider: its addresses and keys, and the checks of its tokens."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote_plus, urlencode

import httpx2
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from receiver.console.sign_in.oidc_flow import Flow
from receiver.errors import OidcError
from receiver.http.roles import ROLES

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Signatures that are accepted: by private keys only, never `none` or a shared secret."""

_RANKS: tuple[str, ...] = ROLES

_KEY_TYPES = ("RSA", "EC", "OKP")

_TIMEOUT_S, _LEEWAY_S = 10.0, 60
_METADATA_S = 3600.0
"""Seconds for which the addresses of the provider are kept."""

_HTTP_OK = 200


@dataclass(frozen=True, slots=True)
class OidcConfig:
    """See the settings `console.oidc`."""

    issuer: str
    client_id: str
    client_secret: str | None
    scopes: tuple[str, ...] = ("openid", "profile", "email")
    name_claim: str = "preferred_username"
    role_claim: str = "groups"
    roles: Mapping[str, str] = field(default_factory=dict)
    default_role: str | None = None
    numbers: tuple[str, ...] = ()

    def values(self, claims: Mapping[str, Any]) -> set[str]:
        """Return the values that the role follows from."""
        found: Any = claims.get(self.role_claim)
        if found is None:
            found = claims
            for part in self.role_claim.split("."):
                found = found.get(part) if isinstance(found, Mapping) else None
        return {found} if isinstance(found, str) else set(map(str, found or ()))

    def role(self, claims: Mapping[str, Any]) -> str | None:
        """Return the highest role; None if the user may not sign in."""
        granted = {self.roles[value] for value in self.values(claims) & self.roles.keys()}
        return max(granted, key=_RANKS.index, default=self.default_role)

    def sees_numbers(self, claims: Mapping[str, Any]) -> bool:
        return bool(self.values(claims) & set(self.numbers))


class OidcProvider:
    """The provider, asked over HTTP. Addresses and keys are kept for a while; a key that is unknown is asked
    for, since providers change their keys.
    """

    def __init__(self, config: OidcConfig) -> None:
        self.config = config
        self._metadata: dict[str, Any] = {}
        self._metadata_at = float("-inf")
        self._keys = KeySet([])

    async def start_url(self, flow: Flow, redirect_uri: str) -> str:
        """Return the address at the provider where the user signs in."""
        query = {
            "response_type": "code",
            "client_id": self.config.client_id,
            "redirect_uri": redirect_uri,
            "scope": " ".join(self.config.scopes),
            "state": flow.state,
            "nonce": flow.nonce,
            "code_challenge": flow.challenge,
            "code_challenge_method": "S256",
        }
        endpoint = await self._address("authorization_endpoint")
        return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(query)}"

    async def claims(self, flow: Flow, code: str, redirect_uri: str, now: float) -> Mapping[str, Any]:
        """Return what the provider says about the user, for the code that it gave the browser."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": flow.verifier,
        }
        answer = await self._post(await self._address("token_endpoint"), form)
        token = answer.get("id_token")
        if not isinstance(token, str):
            raise OidcError("the provider gave no id_token: add the scope `openid`")
        return await self._checked(token, flow.nonce, now)

    async def _checked(self, token: str, nonce: str, now: float) -> Mapping[str, Any]:
        """Return the claims of a token, if it is signed, valid, and for this sign-in."""
        required = {name: {"essential": True} for name in ("sub", "exp", "iat")}
        registry = jwt.JWTClaimsRegistry(
            now=int(now),
            leeway=_LEEWAY_S,
            iss={"essential": True, "value": self.config.issuer},
            aud={"essential": True, "value": self.config.client_id},
            nonce={"essential": True, "value": nonce},
            **required,  # type: ignore[arg-type]
        )
        try:
            claims = (await self._decoded(token)).claims
            registry.validate(claims)
        except (JoseError, ValueError, TypeError) as error:
            raise OidcError(f"the provider's token is not valid: {type(error).__name__}") from None
        is_shared = isinstance(claims["aud"], list) and len(claims["aud"]) > 1
        if claims.get("azp", None if is_shared else self.config.client_id) != self.config.client_id:
            raise OidcError("the provider's token is for another application")
        return claims

    async def _decoded(self, token: str) -> jwt.Token:
        try:
            return jwt.decode(token, self._keys, algorithms=ALGORITHMS)
        except (JoseError, ValueError):  # the key may be a new one
            found = await self._get(await self._address("jwks_uri"))
        keys = [key for key in found.get("keys", ()) if key.get("kty") in _KEY_TYPES]
        self._keys = KeySet.import_key_set({"keys": keys})
        return jwt.decode(token, self._keys, algorithms=ALGORITHMS)

    async def _address(self, name: str) -> str:
        """Return an address of the provider, from its description."""
        if time.monotonic() - self._metadata_at > _METADATA_S:
            found = await self._get(f"{self.config.issuer.rstrip('/')}/.well-known/openid-configuration")
            if found.get("issuer") != self.config.issuer:
                raise OidcError("the provider has another name than `console.oidc.issuer`")
            self._metadata, self._metadata_at = found, time.monotonic()
        address = self._metadata.get(name)
        if not isinstance(address, str):
            raise OidcError(f"the provider does not name its {name}")
        return address

    async def _get(self, url: str) -> dict[str, Any]:
        return await self._ask("GET", url)

    async def _post(self, url: str, form: dict[str, str]) -> dict[str, Any]:
        """Send a form with our id, and our secret in the way that the provider accepts."""
        client_id, secret = self.config.client_id, self.config.client_secret
        ways = self._metadata.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        if secret is None:
            return await self._ask("POST", url, data={**form, "client_id": client_id})
        if "client_secret_basic" in ways:
            return await self._ask("POST", url, data=form, auth=(quote_plus(client_id), quote_plus(secret)))
        return await self._ask("POST", url, data={**form, "client_id": client_id, "client_secret": secret})

    async def _ask(self, method: str, url: str, **request: Any) -> dict[str, Any]:
        try:
            async with httpx2.AsyncClient(timeout=_TIMEOUT_S) as http:
                answer = await http.request(method, url, headers={"Accept": "application/json"}, **request)
            found = answer.json() if answer.status_code == _HTTP_OK else None
        except (httpx2.HTTPError, ValueError) as error:
            raise OidcError(f"the provider does not answer: {type(error).__name__}") from None
        if not isinstance(found, dict):
            raise OidcError(f"the provider answers with status {answer.status_code}, or not with JSON")
        return found
