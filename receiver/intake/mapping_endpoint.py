"""The endpoint that proposes names for `[aliases]` from the latest deliveries."""

import asyncio
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, Field
from sqlalchemy import Connection, Row

from receiver.domain.fields import FieldReader
from receiver.domain.masking import mask_text, mask_tree
from receiver.http.endpoint import Call, Endpoint, Params
from receiver.http.params import Account
from receiver.inbox.delivery_problems import require_problem
from receiver.inbox.proposals import Proposal, as_setting, missing, propose, sample_of
from receiver.intake import queries
from receiver.intake.params import Problem


class MappingQuery(Params):
    """Which deliveries are looked at."""

    account: Account = None
    problem: Problem = None
    last: int = Field(50, ge=1, le=200, description="Number of latest deliveries.", examples=[50])


class ProposedName(BaseModel):
    """A name that deliveries have, and the field that its values suggest."""

    name: str = Field(examples=["call_result"])
    seen: int = Field(description="Values under this name.", examples=[48])
    example: str = Field(description="The first value; phone numbers are masked.", examples=["busy"])
    read_as: str | None = Field(description="The fields that it is an alias of, now.", examples=[None])
    proposed: str | None = Field(description="The field that its values suggest.", examples=["result"])
    empty: str | None = Field(description="What is wrong with values that mean nothing.", examples=[None])


class MissingField(BaseModel):
    """A field that no delivery has, and the names that may be it."""

    field: str = Field(examples=["call"])
    why: str = Field(examples=["without it attempts are distinguished by time only"])
    names: list[str] = Field(examples=[["uid"]])


class MappingProposal(BaseModel):
    """What the latest deliveries suggest for `[aliases]`."""

    deliveries: int = Field(description="Number of deliveries that were looked at.", examples=[50])
    fields: list[ProposedName] = Field(description="All names, the most frequent first.")
    missing: list[MissingField]
    setting: str = Field(
        description="The section `[aliases]` for the settings file; empty if nothing is proposed.",
        examples=['[aliases]\nresult = ["finish_result", "call_result"]'],
    )


async def propose_mapping(call: Call[MappingQuery, None]) -> MappingProposal:
    """Return a proposal from the latest deliveries."""
    query = queries.latest_deliveries(call.query.account, call.query.problem, call.query.last)

    def read(connection: Connection) -> Sequence[Row[Any]]:
        require_problem(connection, call.query.problem)
        return connection.execute(query).all()

    rows = await call.context.store.read(read)
    return await asyncio.to_thread(_proposal, rows, call.context.fields)


def _proposal(rows: Sequence[Row[Any]], reader: FieldReader) -> MappingProposal:
    samples = [sample_of(row) for row in rows]
    found = propose(samples, reader.aliases)
    return MappingProposal(
        deliveries=len(rows),
        fields=[_masked(proposal) for proposal in found],
        missing=[
            MissingField(field=lacking.field, why=lacking.why, names=[*map(mask_text, lacking.names)])
            for lacking in missing(samples, found, reader)
        ],
        setting=mask_text(as_setting(found, reader.aliases)),
    )


def _masked(proposal: Proposal) -> ProposedName:
    values = {name: getattr(proposal, name) for name in ProposedName.model_fields}
    values |= {name: mask_tree(values[name], proposal.name) for name in ("example", "empty")}
    values["name"] = mask_text(proposal.name)
    return ProposedName(**values)


MAPPING_ENDPOINT = Endpoint(
    "GET",
    "/v1/mapping",
    "Propose a mapping of fields",
    "The names in the latest deliveries, what they are read as, and the section `[aliases]` that their "
    "values suggest, as `receiver capture` prints it. Phone numbers are masked. After the settings are "
    "changed and the receiver is restarted, read the deliveries again by `/v1/reread`.",
    "read",
    MappingProposal,
    propose_mapping,
    MappingQuery,
)
