"""The endpoint that lists users of the console. They are made and changed by `receiver users`."""

from pydantic import BaseModel, Field

from receiver.console.sign_in.users import list_users
from receiver.http.endpoint import Call, Endpoint, Params
from receiver.http.schemas import Moment


class ConsoleUser(BaseModel):
    """A user of the console."""

    name: str = Field(examples=["anna"])
    role: str = Field(examples=["operator"])
    numbers: bool = Field(description="Whether phone numbers are shown in full.", examples=[False])
    has_password: bool = Field(examples=[True])
    is_external: bool = Field(
        description="Whether the user comes from the OpenID provider.", examples=[False]
    )
    created_at: Moment
    disabled_at: Moment | None = Field(description="null: not disabled.", examples=[None])


class ConsoleUserList(BaseModel):
    """All users of the console, by name."""

    users: list[ConsoleUser]


async def list_console_users(call: Call[Params, None]) -> ConsoleUserList:
    """Return all users."""
    rows = await call.context.store.read(list_users)
    names = ("name", "role", "numbers", "created_at", "disabled_at")
    return ConsoleUserList(
        users=[
            ConsoleUser(
                **{name: getattr(row, name) for name in names},
                has_password=row.password_hash is not None,
                is_external=row.subject is not None,
            )
            for row in rows
        ]
    )


USERS_ENDPOINT = Endpoint(
    "GET",
    "/v1/users",
    "List users of the console",
    "Users by name, with role and rights, without their passwords. They are made, changed and removed by "
    "`receiver users`.",
    "tokens",
    ConsoleUserList,
    list_console_users,
)
