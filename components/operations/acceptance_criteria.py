"""What a model must show before a department uses it, and whether it did.

All criteria must be met, so that none needs a correction for their number (intersection-union test: Berger 1982,
Technometrics 24:295).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from components.errors import ParameterError
from components.operations.finding_calls import WORKLOAD
from components.operations.reading_list import OTHERS

JudgedBy = Literal["interval", "value"]
Outcome = Literal["met", "not met", "not enough evidence"]
MACRO_AUROC, CALIBRATION_ERROR, EXTERNAL_DROP = "macro_auroc", "max_calibration_error", "max_external_drop"


@dataclass(frozen=True, kw_only=True)
class FindingCriteria:
    """Bounds of one finding; ``None`` asks for nothing.

    Args:
        sensitivity, specificity: at least.
        max_workload: largest share of all studies that may be flagged for it.
        min_patients: see ``AcceptanceCriteria``, where this finding needs another number.
    """

    sensitivity: float | None = None
    specificity: float | None = None
    max_workload: float | None = None
    min_patients: int | None = None

    def __post_init__(self) -> None:
        _check((self.sensitivity, self.specificity, self.max_workload), self.min_patients, self)


@dataclass(frozen=True, kw_only=True)
class AcceptanceCriteria:
    """Args:
    judged_by: ``interval``: a bound is met when the interval's conservative end meets it, and not met when the other
        end fails it too; ``value``: by the value alone.
    min_patients: with the finding for a sensitivity, without it for a specificity, in all for the rest; with fewer
        there is not enough evidence.
    macro_auroc: at least.
    max_calibration_error: of the macro expected calibration error.
    max_external_drop: of the macro AUROC on each external test of the version.
    findings: finding → its bounds; ``*``: every other finding that the model predicts.
    """

    judged_by: JudgedBy = "interval"
    min_patients: int = 10
    macro_auroc: float | None = None
    max_calibration_error: float | None = None
    max_external_drop: float | None = None
    findings: dict[str, FindingCriteria] = field(default_factory=dict)

    def __post_init__(self) -> None:
        bounds = (self.macro_auroc, self.max_calibration_error, self.max_external_drop)
        _check(bounds, self.min_patients, self)


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """One criterion with what was measured.

    Args:
        about: a finding, or ``all findings`` or an external test.
        criterion: ``sensitivity``, ``specificity``, ``workload``, ``macro_auroc``, …
        at_least: whether ``bound`` is the least or the largest value that is allowed.
        measured: ``value``, ``low``, ``high``; ``None`` where nothing was measured.
        patients: that count for it, of the ``needed`` ones.
    """

    about: str
    criterion: str
    at_least: bool
    bound: float
    measured: Mapping[str, Any] | None
    patients: int
    needed: int
    outcome: Outcome


def judge_criteria(
    criteria: AcceptanceCriteria,
    *,
    predicted: Sequence[str],
    calls: Mapping[str, Mapping[str, Any]],
    metrics: Mapping[str, Any],
    external_drops: Mapping[str, Mapping[str, Any]],
) -> tuple[Judgement, ...]:
    """Every criterion that was set, in the order of the parameters.

    Args:
        predicted: the findings that the model predicts.
        calls: of ``finding_calls``.
        metrics: of ``Evaluation``.
        external_drops: name of an external test → drop of the macro AUROC there, with its ``patients``.

    Raises ``ParameterError`` for a finding that the model does not predict.
    """
    unknown = sorted(set(criteria.findings) - {OTHERS, *predicted})
    if unknown:
        raise ParameterError(
            expected="criteria for findings that the model predicts",
            got=", ".join(unknown),
            hint=f"one of {', '.join(predicted)}, or another model",
        )
    return (*_overall(criteria, metrics, external_drops), *_of_findings(criteria, predicted, calls))


def overall(judgements: Sequence[Judgement]) -> Outcome | None:
    """Met when all are; not met when any is not; ``None`` without a criterion."""
    outcomes = {judgement.outcome for judgement in judgements}
    order: tuple[Outcome, ...] = ("not met", "not enough evidence", "met")
    return next((outcome for outcome in order if outcome in outcomes), None)


def decided(
    measured: Mapping[str, Any] | None, bound: float, *, at_least: bool, judged_by: JudgedBy, enough: bool
) -> Outcome:
    """One bound against one interval."""
    if measured is None or measured["value"] is None or not enough:
        return "not enough evidence"
    if judged_by == "value":
        return "met" if _holds(measured["value"], bound, at_least) else "not met"
    if measured["low"] is None or measured["high"] is None:
        return "not enough evidence"
    worse, better = ("low", "high") if at_least else ("high", "low")
    if _holds(measured[worse], bound, at_least):
        return "met"
    return "not enough evidence" if _holds(measured[better], bound, at_least) else "not met"


def _holds(value: float, bound: float, at_least: bool) -> bool:
    return value >= bound if at_least else value <= bound


def _overall(
    criteria: AcceptanceCriteria, metrics: Mapping[str, Any], drops: Mapping[str, Mapping[str, Any]]
) -> Iterator[Judgement]:
    for name, metric, at_least in ((MACRO_AUROC, "auroc", True), (CALIBRATION_ERROR, "ece", False)):
        measured = metrics.get(metric, {}).get("macro")
        patients = int(measured["patients"]) if measured else 0
        yield from _judged(
            criteria, "all findings", name, getattr(criteria, name), measured, patients,
            at_least=at_least, needed=criteria.min_patients,
        )  # fmt: skip
    for where, drop in drops.items() or (("no external test", None),):
        patients = int(drop["patients"]) if drop else 0
        yield from _judged(
            criteria, where, EXTERNAL_DROP, criteria.max_external_drop, drop, patients,
            at_least=False, needed=criteria.min_patients,
        )  # fmt: skip


def _of_findings(
    criteria: AcceptanceCriteria, predicted: Sequence[str], calls: Mapping[str, Mapping[str, Any]]
) -> Iterator[Judgement]:
    for name in predicted:
        wanted = criteria.findings.get(name, criteria.findings.get(OTHERS))
        if wanted is None:
            continue
        needed = wanted.min_patients if wanted.min_patients is not None else criteria.min_patients
        found = calls.get(name, {"positives": 0, "negatives": 0})
        for criterion, bound, count, at_least in (
            ("sensitivity", wanted.sensitivity, found["positives"], True),
            ("specificity", wanted.specificity, found["negatives"], True),
            (WORKLOAD, wanted.max_workload, found.get(WORKLOAD, {}).get("patients", 0), False),
        ):
            yield from _judged(
                criteria, name, criterion, bound, found.get(criterion), count,
                at_least=at_least, needed=needed,
            )  # fmt: skip


def _judged(
    criteria: AcceptanceCriteria,
    about: str,
    criterion: str,
    bound: float | None,
    measured: Mapping[str, Any] | None,
    patients: int,
    *,
    at_least: bool,
    needed: int,
) -> Iterator[Judgement]:
    """Nothing where nothing is asked."""
    if bound is None:
        return
    outcome = decided(
        measured, bound, at_least=at_least, judged_by=criteria.judged_by, enough=patients >= needed
    )
    yield Judgement(
        about=about, criterion=criterion, at_least=at_least, bound=bound, measured=measured,
        patients=patients, needed=needed, outcome=outcome,
    )  # fmt: skip


def _check(bounds: Sequence[float | None], min_patients: int | None, got: object) -> None:
    inside = all(bound is None or 0 <= bound <= 1 for bound in bounds)
    if not inside or (min_patients is not None and min_patients < 1):
        raise ParameterError(
            expected="bounds between 0 and 1, min_patients >= 1", got=str(got), hint="0.9, for example"
        )
