"""Answers of analytics."""

from typing import Literal

from pydantic import BaseModel, Field

from receiver.http.schemas import Account, Moment, QueueId


class ShareValue(BaseModel):
    """A share `k` of `n`, with its 95 % interval (Wilson) from `low` to `high`; null if `n` is 0."""

    k: int = Field(examples=[136])
    n: int = Field(examples=[200])
    value: float | None = Field(examples=[0.68])
    low: float | None = Field(examples=[0.6125])
    high: float | None = Field(examples=[0.7407])


class DifferenceValue(BaseModel):
    """The difference of two shares, with its 95 % interval (Newcombe). `is_sure`: it does not contain 0."""

    value: float | None = Field(examples=[0.05])
    low: float | None = Field(examples=[0.01])
    high: float | None = Field(examples=[0.09])
    is_sure: bool = Field(examples=[True])


class ColumnInfo(BaseModel):
    """The meaning of a column."""

    name: str = Field(examples=["success_rate"])
    about: str = Field(examples=["Succeeded among finished."])


Cell = str | int | float | ShareValue | None


class MeasureScope(BaseModel):
    """The query that is answered. `counts`: what is counted; `basis`: by which moment."""

    figure: str = Field(examples=["success"])
    title: str = Field(examples=["Success rate"])
    about: str = Field(examples=["Tasks that connected the two, among those that have ended."])
    counts: Literal["tasks", "attempts"] = Field(examples=["tasks"])
    basis: Literal["created", "finished", "planned", "started"] = Field(examples=["created"])
    zone: str = Field(examples=["Europe/Moscow"])
    since: Moment | None = Field(description="null: open.")
    until: Moment | None = Field(description="Before this moment; null: open.")
    account: Account | None = Field(description="null: all.")
    queue_id: QueueId | None = Field(description="null: all.")


class MeasureResult(BaseModel):
    """A measure. A row has a text for each of `by` and a value for each of `columns`."""

    asked: MeasureScope
    by: list[str] = Field(examples=[["queue"]])
    columns: list[ColumnInfo]
    rows: list[dict[str, Cell]] = Field(examples=[[{"queue": "17", "tasks": 200, "open": 3}]])
    total: dict[str, Cell] = Field(description="Values of all rows together.", examples=[{"tasks": 200}])
    read_from: Literal["rollup", "tasks"] = Field(
        description="`tasks`: the hours of the zone differ from those of the rollup, so the tasks were "
        "counted, which is slower.",
        examples=["rollup"],
    )
    notes: list[str] = Field(description="Warnings for the reader.", examples=[[]])


class ShareComparison(BaseModel):
    """One share on both sides."""

    name: str = Field(examples=["success_rate"])
    about: str = Field(examples=["Succeeded among finished."])
    first: ShareValue
    second: ShareValue
    difference: DifferenceValue = Field(description="First minus second.")


class ComparisonResult(BaseModel):
    """Two answers and the differences of their shares. Observational: they may differ in other ways too."""

    first: MeasureResult
    second: MeasureResult
    shares: list[ShareComparison]


class ReportTable(BaseModel):
    """A table of texts; the first column labels the rows."""

    heads: list[str] = Field(examples=[["queue", "tasks"]])
    rows: list[list[str]] = Field(examples=[[["17", "200"]]])


class ReportFigure(BaseModel):
    """A key number. `of`: its base or its parts."""

    label: str = Field(examples=["Success rate"])
    value: str = Field(examples=["68.0 %"])
    of: str = Field(examples=["61.2–74.1 %, of 200 finished tasks"])


class ReportGroup(BaseModel):
    """Key numbers about one thing."""

    title: str = Field(examples=["Tasks"])
    figures: list[ReportFigure]


class ReportChart(BaseModel):
    """A chart in words; its picture is `/v1/analytics/{name}.svg`. `how`: how to read it; `text`: alternative
    text of the picture, in English.
    """

    name: str = Field(examples=["trend"])
    title: str = Field(examples=["Success rate of tasks by day"])
    how: str = Field(examples=["Above: the share of finished tasks that connected A and B."])
    text: str = Field(examples=["Overall 68.0 % (61.2–74.1 %)."])
    numbers: ReportTable


class ReportDocument(BaseModel):
    """A report in the words of a language."""

    language: str = Field(examples=["en"])
    period: str = Field(examples=["2026-03-01 to 2026-03-31"])
    basis: str = Field(examples=["tasks by creation"])
    zone: str = Field(examples=["Europe/Moscow"])
    whose: str = Field(examples=["all accounts, all queues"])
    made_at: str = Field(examples=["2026-04-01 09:00"])
    groups: list[ReportGroup]
    comparison: ReportTable | None = Field(description="Shares of both sides; null: nothing is compared.")
    sides: list[str] = Field(description="What each side is about.", examples=[[]])
    charts: list[ReportChart]
    notes: list[str] = Field(description="Warnings for the reader.", examples=[[]])
