"""What is answered about figures."""

from typing import Literal

from pydantic import BaseModel, Field

from receiver.http.schemas import Account, Moment, QueueId


class ShareValue(BaseModel):
    """`k` of `n`, with the 95 % interval after Wilson from `low` to `high`; null where `n` is 0."""

    k: int = Field(examples=[136])
    n: int = Field(examples=[200])
    value: float | None = Field(examples=[0.68])
    low: float | None = Field(examples=[0.6125])
    high: float | None = Field(examples=[0.7407])


class DifferenceValue(BaseModel):
    """One share less another, with the 95 % interval after Newcombe; `is_sure`: 0 does not lie in it."""

    value: float | None = Field(examples=[0.05])
    low: float | None = Field(examples=[0.01])
    high: float | None = Field(examples=[0.09])
    is_sure: bool = Field(examples=[True])


class ColumnInfo(BaseModel):
    """What a value of the rows means."""

    name: str = Field(examples=["success_rate"])
    about: str = Field(examples=["Succeeded among finished."])


Cell = str | int | float | ShareValue | None


class MeasureScope(BaseModel):
    """What was asked about. `counts`: what is counted; `basis`: by which moment of theirs."""

    figure: str = Field(examples=["success"])
    title: str = Field(examples=["Success rate"])
    about: str = Field(examples=["Tasks that connected the two, among those that have ended."])
    counts: Literal["tasks", "attempts"] = Field(examples=["tasks"])
    basis: Literal["created", "finished", "started"] = Field(examples=["created"])
    zone: str = Field(examples=["Europe/Moscow"])
    since: Moment | None = Field(description="null: from the first.")
    until: Moment | None = Field(description="Before this moment; null: to the last.")
    account: Account | None = Field(description="null: of all.")
    queue_id: QueueId | None = Field(description="null: of all.")


class MeasureResult(BaseModel):
    """A figure. A row has a text for each of `by` and a value for each of `columns`."""

    asked: MeasureScope
    by: list[str] = Field(examples=[["queue"]])
    columns: list[ColumnInfo]
    rows: list[dict[str, Cell]] = Field(examples=[[{"queue": "17", "tasks": 200, "open": 3}]])
    total: dict[str, Cell] = Field(description="Of all that was asked about.", examples=[{"tasks": 200}])
    read_from: Literal["rollup", "tasks"] = Field(
        description="`tasks`: the zone's hours are not those in which is counted ahead; this takes longer.",
        examples=["rollup"],
    )
    notes: list[str] = Field(description="What has to be known to read it.", examples=[[]])


class ShareComparison(BaseModel):
    """One share on both sides."""

    name: str = Field(examples=["success_rate"])
    about: str = Field(examples=["Succeeded among finished."])
    first: ShareValue
    second: ShareValue
    difference: DifferenceValue = Field(description="The first less the second.")


class ComparisonResult(BaseModel):
    """Two answers and how their shares differ. Observational: the two may differ in other things too."""

    first: MeasureResult
    second: MeasureResult
    shares: list[ShareComparison]
