"""Tables of the sign-in. Only hashes of secrets are stored. Times are those of the machine's clock."""

from sqlalchemy import Index
from sqlmodel import Field, SQLModel

from receiver.storage.tables import table


class ConsoleUserRow(SQLModel, table=True):
    """A user. `numbers`: whether phone numbers are shown in full. `password_hash`: by argon2; NULL if the
    user has no password. `subject`: issuer and subject at the OpenID provider, if the user comes from there.
    """

    __tablename__ = "console_user"
    name: str = Field(primary_key=True)
    role: str
    numbers: bool
    password_hash: str | None = None
    subject: str | None = Field(default=None, unique=True)
    created_at: float
    disabled_at: float | None = None


class ConsoleSessionRow(SQLModel, table=True):
    """A browser that is signed in. `hash`: of the session's id. `user_name` or `token_hash`: who it is."""

    __tablename__ = "console_session"
    hash: str = Field(primary_key=True)
    user_name: str | None = None
    token_hash: str | None = None
    created_at: float
    seen_at: float

    __table_args__ = (Index("console_session_by_user", "user_name"),)


class ConsoleLinkRow(SQLModel, table=True):
    """A link that signs in once. `hash`: of its secret. `one_click`: whether opening it is enough."""

    __tablename__ = "console_link"
    hash: str = Field(primary_key=True)
    user_name: str
    one_click: bool
    expires_at: float


class SignInCountRow(SQLModel, table=True):
    """Failed sign-ins by `key`: the hash of a user, an address, or both. `at`: of the last one.
    `succeeded_at`: of the last successful sign-in.
    """

    __tablename__ = "console_sign_in_count"
    key: str = Field(primary_key=True)
    failures: int
    at: float
    succeeded_at: float | None = None


CONSOLE_USER = table(ConsoleUserRow)
CONSOLE_SESSION = table(ConsoleSessionRow)
CONSOLE_LINK = table(ConsoleLinkRow)
SIGN_IN_COUNT = table(SignInCountRow)
