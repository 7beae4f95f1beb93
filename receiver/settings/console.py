"""The settings of the console."""

from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, HttpUrl, SecretStr, field_validator

from receiver.http.roles import Role

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class OidcSettings(BaseModel):
    """Sign-in to the console at an OpenID provider."""

    model_config = ConfigDict(extra="forbid")
    issuer: str | None = Field(
        default=None,
        description="URL of the provider, exactly as its tokens name it. Default: no sign-in there.",
    )
    client_id: str = Field(default="receiver", description="Id of the receiver at the provider.")
    client_secret: SecretStr | None = Field(
        default=None,
        description="Secret of the receiver at the provider. Default: none: a public client.",
    )
    scopes: tuple[str, ...] = Field(
        default=("openid", "profile", "email"), description="Scopes that are asked for at the provider."
    )
    name_claim: str = Field(
        default="preferred_username", description="Claim with the name of a new user, else `email` is used."
    )
    role_claim: str = Field(
        default="groups",
        description="Claim that roles follow from: a text or a list. Dots lead into it: realm_access.roles.",
    )
    roles: dict[str, Role] = Field(
        default={}, description="Value of that claim → role: viewer, operator or admin. The highest counts."
    )
    default_role: Role | None = Field(
        default=None, description="Role of users without such a value. Default: they may not sign in."
    )
    numbers: tuple[str, ...] = Field(
        default=(), description="Values of that claim whose users see phone numbers in full."
    )

    @field_validator("issuer")
    @classmethod
    def _issuer_uses_https(cls, issuer: str | None) -> str | None:
        parts = urlsplit(issuer or "")
        is_safe = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)
        if issuer is not None and not (is_safe and parts.hostname):
            raise ValueError("must be an https:// URL")
        return issuer


class ConsoleSettings(BaseModel):
    """The console: pages for people, on the listener of the API."""

    model_config = ConfigDict(extra="forbid")
    enabled: bool = Field(default=True, description="Whether the API's listener has the console.")
    public_url: HttpUrl | None = Field(
        default=None,
        description="Root of the console as browsers reach it, such as https://receiver.example. Default: "
        "the address of the API.",
    )
    oidc: OidcSettings = Field(
        default=OidcSettings(), description="Sign-in to the console at an OpenID provider."
    )

    @field_validator("public_url")
    @classmethod
    def _url_ends_after_the_host(cls, url: HttpUrl | None) -> HttpUrl | None:
        if url is not None and (url.path or "/") != "/":
            raise ValueError("must end after host and port: the console is at /console below it")
        return url
