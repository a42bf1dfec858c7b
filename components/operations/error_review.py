"""Which cases a radiologist should look at first: where the model is surest and wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from components.operations.finding_scores import PROBABILITY, TRUTH


@dataclass(frozen=True, kw_only=True)
class ConfidentError:
    """One scan that was called wrongly, and the probability that the model gave to the finding."""

    frame_id: str
    case_id: str
    patient_id: str
    batch: str
    probability: float


@dataclass(frozen=True, kw_only=True)
class FindingErrors:
    """The surest errors of one finding, surest first, and how many patients have an error at all."""

    finding: str
    threshold: float
    false_alarms: tuple[ConfidentError, ...]
    misses: tuple[ConfidentError, ...]
    patients_with_false_alarm: int
    patients_with_miss: int


def confident_errors(
    table: pd.DataFrame, findings: Sequence[str], thresholds: Mapping[str, float], *, most: int
) -> list[FindingErrors]:
    """Of each finding with an error up to ``most`` false alarms and misses, one scan per patient: the surest.

    Args:
        table: ``Evaluation.per_patient`` of a classification model.
        thresholds: finding → probability from which it is called; 0.5 unless given.
    """
    found = (_errors(table, name, float(thresholds.get(name, 0.5)), most) for name in findings)
    return [errors for errors in found if errors.patients_with_false_alarm + errors.patients_with_miss]


def _errors(table: pd.DataFrame, finding: str, threshold: float, most: int) -> FindingErrors:
    truth, probability = table[f"{TRUTH}{finding}"], table[f"{PROBABILITY}{finding}"]
    alarms = _one_each(table[(truth == 0) & (probability >= threshold)], finding, rising=False)
    misses = _one_each(table[(truth == 1) & (probability < threshold)], finding, rising=True)
    return FindingErrors(
        finding=finding,
        threshold=threshold,
        false_alarms=_chosen(alarms, finding, most),
        misses=_chosen(misses, finding, most),
        patients_with_false_alarm=len(alarms),
        patients_with_miss=len(misses),
    )


def _one_each(rows: pd.DataFrame, finding: str, *, rising: bool) -> pd.DataFrame:
    """Each patient's surest scan; equal probabilities in the order of the frames' names."""
    by = [f"{PROBABILITY}{finding}", "frame_id"]
    return rows.sort_values(by, ascending=[rising, True]).drop_duplicates("patient_id")


def _chosen(rows: pd.DataFrame, finding: str, most: int) -> tuple[ConfidentError, ...]:
    return tuple(
        ConfidentError(
            frame_id=str(row["frame_id"]),
            case_id=str(row["case_id"]),
            patient_id=str(row["patient_id"]),
            batch=str(row["batch"]),
            probability=float(row[f"{PROBABILITY}{finding}"]),
        )
        for row in rows.head(most).to_dict("records")
    )
