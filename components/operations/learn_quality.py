"""What judged cases teach about a model's quality on other cases, made anew for each version by ``evaluate``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from components.cohort.task import Task
from components.models.known_quality import KnownQuality
from components.operations.evaluation import Evaluation
from components.operations.finding_scores import PROBABILITY, TRUTH
from components.scorecard.conformal_sets import fit_sets
from components.scorecard.predicted_quality import LEVEL, fit_quality, least_patients


def learn_quality(task: Task, evaluation: Evaluation, thresholds: Mapping[str, float]) -> KnownQuality:
    """From the held-out cases with an expert's truth, which trained neither the model nor its calibration.

    Segmentation: each case's mean Dice over its judged frames. Classification: the share of the known findings that
    the ``thresholds`` call rightly, and conformal sets.
    """
    scores = _dice(evaluation) if task == "segmentation" else _right(evaluation, thresholds)
    scores = scores.dropna()
    cards = evaluation.reference
    rows = {str(row["frame_id"]): row for row in cards.to_dict("records") if row["frame_id"] in scores.index}
    cases, quality, patients = [], [], []
    for _, case in cards[cards["frame_id"].isin(scores.index)].groupby("case_id", sort=True):
        names = sorted(map(str, case["frame_id"]))
        cases.append([{str(key): value for key, value in rows[name].items()} for name in names])
        quality.append(float(scores[names].mean()))
        patients.append(str(case["patient_id"].iloc[0]))
    fit = fit_quality(cases, quality, patients)
    sets = None
    if task == "classification" and len(evaluation.per_patient):
        table, findings = evaluation.per_patient, _findings(evaluation.per_patient)
        truth, said = (table[[f"{p}{name}" for name in findings]] for p in (TRUTH, PROBABILITY))
        sets = fit_sets(
            findings, truth.to_numpy(np.float64), said.to_numpy(np.float64), list(table["patient_id"])
        )
    return KnownQuality(quality=fit, sets=sets, words=_words(len(set(patients)), fit is not None))


def _dice(evaluation: Evaluation) -> pd.Series[float]:
    """frame_id → mean Dice of the judged frames."""
    table = evaluation.frames
    if "dice_mean" not in table:
        return pd.Series(dtype=float)
    return table[table["judged"]].set_index("frame_id")["dice_mean"].astype(float)


def _right(evaluation: Evaluation, thresholds: Mapping[str, float]) -> pd.Series[float]:
    """frame_id → share of the known findings called rightly; NaN without a known one."""
    table = evaluation.per_patient
    right = []
    for name in _findings(table):
        truth, said = table[f"{TRUTH}{name}"], table[f"{PROBABILITY}{name}"]
        called = said >= thresholds.get(name, 0.5)
        right.append((called == (truth == 1)).astype(float).where(truth.notna()))
    if not right:
        return pd.Series(dtype=float)
    share: pd.Series[float] = pd.concat(right, axis=1).mean(axis=1)
    return share.set_axis(table["frame_id"])


def _findings(table: pd.DataFrame) -> Sequence[str]:
    return [name.removeprefix(TRUTH) for name in map(str, table.columns) if name.startswith(TRUTH)]


def _words(patients: int, learned: bool) -> str:
    if learned:
        return f"predicted quality learned from {patients} judged patients, with {LEVEL:.0%} intervals"
    return (
        f"no predicted quality: {patients} judged patients, and an interval of {LEVEL:.0%} needs "
        f"{least_patients()} or more with the same signals measured"
    )
