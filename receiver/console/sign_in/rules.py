"""What the settings say about the sign-in, and where a request comes from."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from starlette.requests import Request

from receiver.domain.proxies import TrustedProxies
from receiver.errors import ErrorKind, ForbiddenError
from receiver.http.endpoint import ApiContext
from receiver.runtime.clock import Clock, WallClock

if TYPE_CHECKING:
    from receiver.console.sign_in.oidc import OidcProvider
    from receiver.settings.console import OidcSettings
    from receiver.settings.settings import Settings

_OWN = frozenset({"same-origin", "none"})
"""Values of Sec-Fetch-Site for requests that no other site has made; `none` is the user, such as by a reload.
"""


@dataclass(frozen=True, slots=True)
class SignInRules:
    """A service. `public_url`: root of the receiver as browsers reach it, without a trailing slash; None: the
    address of the request. `clock`: of sessions; the machine's, since the one of a demonstration is faster.
    `oidc`: the OpenID provider, if there is one.
    """

    public_url: str | None = None
    proxies: TrustedProxies = field(default_factory=TrustedProxies)
    clock: Clock = field(default_factory=WallClock)
    oidc: "OidcProvider | None" = None

    def is_https(self, request: Request) -> bool:
        """Return whether the browser uses https, as far as the settings and trusted proxies say."""
        if request.url.scheme == "https" or (self.public_url or "").startswith("https:"):
            return True
        return self._forwarded(request, "x-forwarded-proto") == "https"

    def root(self, request: Request) -> str:
        """Return the root of the receiver as the browser reaches it, without a trailing slash."""
        host = self._forwarded(request, "x-forwarded-host") or request.headers.get("host", "")
        return self.public_url or f"{'https' if self.is_https(request) else 'http'}://{host}"

    def address(self, request: Request) -> str:
        """Return the browser's address; an empty text if it is unknown."""
        connected = request.client.host if request.client else None
        return self.proxies.peer(connected, request.headers.raw) or ""

    def require_own_page(self, request: Request) -> None:
        """Raise ForbiddenError unless the browser says that a page of this origin has sent the request."""
        site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
        is_own = (
            site in _OWN if site else origin is not None and urlsplit(origin).netloc in self._hosts(request)
        )
        if not is_own:
            raise ForbiddenError(
                "the form must come from a page of this console: load the page again. Behind a proxy set "
                "`console.public_url` to the address in the browser",
                ErrorKind("other_page"),
            )

    def _hosts(self, request: Request) -> set[str]:
        """Return the hosts, with ports, under which the browser may know the console."""
        forwarded = self._forwarded(request, "x-forwarded-host")
        return {request.headers.get("host", ""), urlsplit(self.public_url or "").netloc, forwarded} - {""}

    def _forwarded(self, request: Request, header: str) -> str:
        """Return what the nearest trusted proxy says; an empty text if none does."""
        if not request.client or not self.proxies.trusts(request.client.host):
            return ""
        return request.headers.get(header, "").rpartition(",")[2].strip()


_USUAL = SignInRules()


def sign_in_rules(settings: "Settings") -> SignInRules:
    """Return the rules that the settings say."""
    url = str(settings.console.public_url).rstrip("/") if settings.console.public_url else None
    return SignInRules(url, TrustedProxies(settings.trusted_proxies), oidc=_provider(settings.console.oidc))


def _provider(settings: "OidcSettings") -> "OidcProvider | None":
    """Return the OpenID provider. Its libraries are imported only where there is one."""
    if settings.issuer is None:
        return None
    from receiver.console.sign_in.oidc import OidcConfig, OidcProvider  # noqa: PLC0415

    secret = settings.client_secret.get_secret_value() if settings.client_secret else None
    given = dict(settings) | {"issuer": settings.issuer, "client_secret": secret}
    return OidcProvider(OidcConfig(**given))


def rules_of(context: ApiContext) -> SignInRules:
    """Return the rules of the running receiver."""
    found = context.services.get(SignInRules)
    return found if isinstance(found, SignInRules) else _USUAL
