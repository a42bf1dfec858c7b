"""A claim: a number that was measured, against a bound that was stated before."""

from __future__ import annotations

import math
import operator
from dataclasses import dataclass
from typing import Any, Literal

Relation = Literal[">=", ">", "<=", "<"]
_HOLDS = {">=": operator.ge, ">": operator.gt, "<=": operator.le, "<": operator.lt}


@dataclass(frozen=True, kw_only=True)
class Claim:
    """``measured`` stands in ``relation`` to ``bound``, or the claim does not hold; NaN never does."""

    id: str
    measured: float
    relation: Relation
    bound: float

    @property
    def holds(self) -> bool:
        return math.isfinite(self.measured) and bool(_HOLDS[self.relation](self.measured, self.bound))

    def as_json(self) -> dict[str, Any]:
        measured = float(f"{self.measured:.6g}") if math.isfinite(self.measured) else None
        bound = f"{self.relation} {self.bound:g}"
        return {"id": self.id, "measured": measured, "bound": bound, "holds": self.holds}
