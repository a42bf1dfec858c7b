"""What the gate says, in a form that the ledger keeps."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any, Literal

CheckName = Literal[
    "leak", "lineage", "evidence", "failure", "floor", "non-inferiority", "superiority",
    "calibration", "temporal", "latency", "memory",
]  # fmt: skip
OVERALL = "all"
Outcome = Literal["accepted", "refused", "not enough evidence"]


@dataclass(frozen=True, kw_only=True)
class Check:
    """One rule on one group of patients.

    Args:
        name: which rule.
        endpoint: what is compared, see ``components.registry.endpoints.Endpoint``.
        stratum: the group: ``all`` or the batch in which its patients arrived.
        patients: their number.
        mean: mean score (floor), difference challenger - champion, or a challenger's measured cost.
        lower: its one-sided lower bound at level ``1 - alpha``; ``None`` where no bound is taken.
        bound: what ``lower`` must exceed (evidence: the least number of patients), or the largest cost allowed.
        alpha: one-sided error level of this check, after the share for several tests.
        holds: ``None`` when the group is too small to be judged apart, or nothing was measured.
        missing: what a lineage lacks.
    """

    name: CheckName
    endpoint: str = "score"
    stratum: str
    patients: int
    mean: float | None = None
    lower: float | None = None
    bound: float | None = None
    alpha: float | None = None
    holds: bool | None
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class PatientScore:
    """One test patient's scores; higher is better."""

    patient_id: str
    stratum: str
    champion: float | None
    challenger: float


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The outcome with everything it rests on; ``context`` names what was judged by hash."""

    outcome: Outcome
    reason: str
    checks: tuple[Check, ...]
    patients: tuple[PatientScore, ...]
    parameters: dict[str, Any]
    context: dict[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def accepted(self) -> bool:
        return self.outcome == "accepted"

    def as_json(self) -> dict[str, Any]:
        """JSON-able; numbers that are not finite become ``None``."""
        content: dict[str, Any] = finite(dataclasses.asdict(self))
        return {"accepted": self.accepted, **content}


def finite(value: Any) -> Any:
    """``value`` with NaN and infinities replaced by ``None``, and tuples by lists, at any depth."""
    if isinstance(value, dict):
        return {str(key): finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
