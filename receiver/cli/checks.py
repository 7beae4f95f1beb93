"""What a doctor says of one thing."""

from dataclasses import dataclass
from typing import Literal

Verdict = Literal["ok", "warning", "failed"]


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at. `detail` says what was found and, where that is not well, what to do."""

    subject: str
    verdict: Verdict
    detail: str
