"""Whether a model's promises about its own answers still hold, by the labels that experts returned.

A conformal interval or set promises to hold the truth with a probability of ``level``. Returned labels say how often
it did; the exact binomial test (Clopper & Pearson 1934) says whether that is too seldom to be chance. The promise is
made for patients like those that it was learned from, drawn at random: labels that were asked for because a case
looked hard may miss it without anything being wrong, so that they count only where the parameters say so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from scipy.stats import binomtest

from components.drift.holm import holm_adjusted
from components.errors import ParameterError

CoverageKind = Literal["held", "broken", "not enough evidence"]


@dataclass(frozen=True, kw_only=True)
class CoverageParams:
    """Args:
    alpha: probability of a false alarm, over all promises together, each time that it is looked.
    min_patients: with fewer a promise is not judged.
    answers: ``random``: of the audit sample and the random arm alone; ``all``: chosen cases too.
    """

    alpha: float = 0.01
    min_patients: int = 20
    answers: Literal["random", "all"] = "random"

    def __post_init__(self) -> None:
        if not 0.0 < self.alpha < 1.0 or self.min_patients < 1:
            raise ParameterError(
                expected="0 < alpha < 1 and min_patients >= 1", got=str(self), hint="0.01 and 20"
            )


@dataclass(frozen=True, kw_only=True)
class PromiseKept:
    """Whether one returned label lies inside what was promised for its case, with probability ``level``."""

    promise: str
    level: float
    patient_id: str
    kept: bool


@dataclass(frozen=True, kw_only=True)
class PromiseCoverage:
    """How often a promise was kept; ``p_holm`` is ``None`` with too few patients."""

    promise: str
    level: float
    patients: int
    kept: int
    p_holm: float | None


@dataclass(frozen=True, kw_only=True)
class CoverageVerdict:
    """``broken`` when at least one promise is kept too seldom; ``promises`` in the order of their names."""

    kind: CoverageKind
    promises: tuple[PromiseCoverage, ...]
    alpha: float

    @property
    def broken(self) -> bool:
        return self.kind == "broken"

    def as_json(self) -> dict[str, Any]:
        return {
            "kind": self.kind, "alpha": self.alpha, "promises": [asdict(promise) for promise in self.promises],
        }  # fmt: skip

    def words(self) -> str:
        """One sentence for a person."""
        judged = [promise for promise in self.promises if promise.p_holm is not None]
        worst = min(
            judged, key=lambda promise: (promise.p_holm, promise.kept / promise.patients), default=None
        )
        if worst is None:
            most = max((promise.patients for promise in self.promises), default=0)
            return f"coverage: not enough evidence, {most} patients with returned labels"
        return (
            f"coverage {self.kind}: {worst.promise} held the returned label of {worst.kept} of {worst.patients} "
            f"patients, promised {worst.level:.0%}"
        )


def judge_coverage(returned: Sequence[PromiseKept], params: CoverageParams) -> CoverageVerdict:
    """One-sided, promise by promise, corrected by Holm; of a patient's labels the first one given counts.

    Args:
        returned: in the order in which the labels came.
    """
    first: dict[tuple[str, str], PromiseKept] = {}
    for one in returned:
        first.setdefault((one.promise, one.patient_id), one)
    groups: dict[str, list[PromiseKept]] = {}
    for one in first.values():
        groups.setdefault(one.promise, []).append(one)
    judged = {name: group for name, group in sorted(groups.items()) if len(group) >= params.min_patients}
    adjusted = dict(zip(judged, holm_adjusted([_p_value(group) for group in judged.values()]), strict=True))
    promises = tuple(_summary(group, adjusted) for _, group in sorted(groups.items()))
    broken = any(p <= params.alpha for p in adjusted.values())
    kind: CoverageKind = "broken" if broken else "held" if judged else "not enough evidence"
    return CoverageVerdict(kind=kind, promises=promises, alpha=params.alpha)


def _p_value(group: Sequence[PromiseKept]) -> float:
    """Of as few kept promises or fewer, if each were kept with the promised probability."""
    kept = sum(one.kept for one in group)
    return float(binomtest(kept, len(group), group[0].level, alternative="less").pvalue)


def _summary(group: Sequence[PromiseKept], adjusted: Mapping[str, float]) -> PromiseCoverage:
    name = group[0].promise
    p = adjusted.get(name)
    return PromiseCoverage(
        promise=name, level=group[0].level, patients=len(group), kept=sum(one.kept for one in group),
        p_holm=p,
    )  # fmt: skip
