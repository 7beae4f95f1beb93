"""The settings of the console."""

from pydantic import BaseModel, ConfigDict, Field, HttpUrl, field_validator


class ConsoleSettings(BaseModel):
    """The console: pages for people, on the listener of the API."""

    model_config = ConfigDict(extra="forbid")
    enabled: bool = Field(default=True, description="Whether the API's listener has the console.")
    public_url: HttpUrl | None = Field(
        default=None,
        description="Root of the console as browsers reach it, such as https://receiver.example. Default: "
        "the address of the API.",
    )

    @field_validator("public_url")
    @classmethod
    def _url_ends_after_the_host(cls, url: HttpUrl | None) -> HttpUrl | None:
        if url is not None and (url.path or "/") != "/":
            raise ValueError("must end after host and port: the console is at /console below it")
        return url
