"""Is it true that the model looks where its relevance says? Delete those slices and see.

For each finding that the model calls in a scan, the most relevant triplets are deleted, and so are as many random
ones: left out as padding, or as slices of air through the whole network.
If the relevance means nothing, its choice is one random choice among others: in each patient, the share of random
choices that lower the probability less is symmetric about ½, however skewed the drops themselves are. The test asks
by sign-flipping over patients whether that share is larger (one-sided; Efron & Tibshirani 1993, ch. 15).

Two controls: scattered triplets, against the most relevant ones; and contiguous blocks, against the most relevant
block. The second is harder, since findings are contiguous.

It asks whether the model used these slices, not whether the disease is there. At level ``features`` triplets are
deleted as they were to compute the relevance; ``slices`` is the independent check.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import stats

from components.drift.holm import holm_adjusted
from components.models.relevance import Floats, Relevance
from components.operations.deletion import CONTROLS, ControlName, Deletion, DeletionParams, Level, delete


@dataclass(frozen=True, kw_only=True)
class ControlVerdict(Deletion):
    """Over patients. ``p_value`` is one-sided; ``p_holm`` corrected over the findings; NaN when there are too few."""

    p_value: float
    p_holm: float


@dataclass(frozen=True, kw_only=True)
class FindingVerdict:
    """One finding; ``controls`` is empty when nobody has it called.

    Args:
        note: why there is no p-value, else empty.
    """

    finding: str
    patients: int
    controls: Mapping[ControlName, ControlVerdict]
    note: str


@dataclass(frozen=True, kw_only=True)
class DeletionTest:
    """The verdicts, one per finding, in the model's order."""

    level: Level
    findings: tuple[FindingVerdict, ...]

    def share_below(self, alpha: float, control: ControlName) -> float:
        """Share of the findings with a p-value whose p-value is below ``alpha``; NaN when there are none."""
        p_values = [item.controls[control].p_value for item in self.findings if not item.note]
        return sum(p < alpha for p in p_values) / len(p_values) if p_values else float("nan")

    def as_json(self) -> dict[str, Any]:
        """NaN becomes ``None``."""
        return {
            "level": self.level,
            "share_below_0.05": {name: _known(self.share_below(0.05, name)) for name in CONTROLS},
            "findings": [
                {
                    "finding": item.finding,
                    "patients": item.patients,
                    "note": item.note,
                    **{
                        name: {key: _known(value) for key, value in vars(verdict).items()}
                        for name, verdict in item.controls.items()
                    },
                }
                for item in self.findings
            ],
        }


def deletion_test(
    scans: Iterable[tuple[str, Relevance]],
    findings: Sequence[str],
    thresholds: Mapping[str, float],
    params: DeletionParams,
) -> DeletionTest:
    """Judge the relevance of each finding on the scans in which the model calls it.

    Args:
        scans: patient and explained scan, each held only in its turn; scans of one patient are averaged.
        findings: of the model, in its order.
        thresholds: finding → probability from which it is called.
    """
    measured: dict[str, dict[str, list[Mapping[ControlName, Deletion]]]] = {name: {} for name in findings}
    for place, (patient, relevance) in enumerate(scans):
        called = [name for name in findings if relevance.probabilities[name] >= thresholds[name]]
        for name, deleted in delete(relevance, called, params, seed=[params.seed, place]).items():
            measured[name].setdefault(patient, []).append(deleted)
    verdicts = [_verdict(name, measured[name], params) for name in findings]
    return DeletionTest(level=params.level, findings=_with_holm(verdicts))


def _verdict(
    finding: str, patients: Mapping[str, list[Mapping[ControlName, Deletion]]], params: DeletionParams
) -> FindingVerdict:
    few = len(patients) < params.min_patients
    columns = defaultdict(list)
    for scans in patients.values():
        for control in CONTROLS:
            columns[control].append(
                np.mean([(s[control].drop, s[control].random_drop, s[control].beaten) for s in scans], axis=0)
            )
    controls = {
        control: _over_patients(
            np.array(rows), float("nan") if few else _p_value(np.array(rows)[:, 2], params)
        )
        for control, rows in columns.items()
    }
    note = f"too few: called in {len(patients)} patients, {params.min_patients} are needed" if few else ""
    return FindingVerdict(finding=finding, patients=len(patients), controls=controls, note=note)


def _over_patients(rows: Floats, p_value: float) -> ControlVerdict:
    drop, random_drop, beaten = rows.mean(axis=0)
    return ControlVerdict(
        drop=float(drop),
        random_drop=float(random_drop),
        beaten=float(beaten),
        p_value=p_value,
        p_holm=float("nan"),
    )


def _p_value(beaten: Floats, params: DeletionParams) -> float:
    """Mean of ``beaten`` - ½ under all or many flips of its signs, each patient's independently."""
    result = stats.permutation_test(
        (beaten - 0.5,),
        np.mean,
        permutation_type="samples",
        alternative="greater",
        n_resamples=params.flips,
        rng=np.random.default_rng(params.seed),
    )
    return float(result.pvalue)


def _with_holm(verdicts: Sequence[FindingVerdict]) -> tuple[FindingVerdict, ...]:
    tested = [item for item in verdicts if not item.note]
    adjusted: dict[ControlName, dict[str, float]] = {}
    for name in CONTROLS:
        p_values = holm_adjusted([item.controls[name].p_value for item in tested])
        adjusted[name] = dict(zip((item.finding for item in tested), p_values, strict=True))
    return tuple(_adjusted(item, adjusted) for item in verdicts)


def _adjusted(item: FindingVerdict, p_holm: Mapping[ControlName, Mapping[str, float]]) -> FindingVerdict:
    controls = {
        name: replace(verdict, p_holm=p_holm[name].get(item.finding, float("nan")))
        for name, verdict in item.controls.items()
    }
    return replace(item, controls=controls)


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value
