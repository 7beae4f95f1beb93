"""What is answered."""

from typing import Annotated

from pydantic import BaseModel, Field

EXAMPLE_REF = "5f1d8a0c9be64a7e8f20b1c3d4e5f607"


EXAMPLE_CALL = "0b6f3a52-7c1e-4a7b-9d52-1f0e6a8c2b11"


Account = Annotated[str, Field(examples=["main"])]


Ref = Annotated[str, Field(examples=[EXAMPLE_REF])]


QueueId = Annotated[str, Field(examples=["17"])]


CallId = Annotated[str, Field(examples=[EXAMPLE_CALL])]


Number = Annotated[str, Field(examples=["+791•••67"])]


Count = Annotated[int, Field(examples=[1])]


Seconds = Annotated[float, Field(examples=[60.0])]


NextCursor = Annotated[str, Field(examples=["WzE3NzIzNTc0MDAuMCwgIm1haW4iLCAiIzkwMjEwIl0"])]


class Problem(BaseModel):
    """Why a request was not served, and what to do next."""

    code: str
    message: str
    field: str | None = Field(description="The parameter, or the body's field, that is at fault.")


class ProblemAnswer(BaseModel):
    """Every answer that is not a success."""

    error: Problem
