"""What judged cases teach about a model's quality on other cases, made anew for each version by ``evaluate``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from components.cohort.task import Task
from components.models.known_quality import KnownQuality
from components.operations.evaluation import Evaluation
from components.operations.finding_scores import PROBABILITY, TRUTH
from components.scorecard.columns import MEASURED, QUALITY
from components.scorecard.conformal_sets import ConformalSets, fit_sets
from components.scorecard.predicted_quality import LEVEL, PredictedQuality, fit_quality, least_patients
from components.scorecard.window_quality import fit_error_of_means


@dataclass(frozen=True, kw_only=True, eq=False)
class LearnedQuality:
    """``known`` goes into the package; ``reference`` is the evaluation's, with what is known of each case's quality."""

    known: KnownQuality
    reference: pd.DataFrame


def learn_quality(task: Task, evaluation: Evaluation, thresholds: Mapping[str, float]) -> LearnedQuality:
    """From the held-out cases with an expert's truth, which trained neither the model nor its calibration.

    Segmentation: each case's mean Dice over its judged frames. Classification: the share of the known findings that
    the ``thresholds`` call rightly, and conformal sets. In the reference ``measured_quality`` is that of the judged
    cases, and ``predicted_quality`` what a fit without their patients foretells.
    """
    scores = (_dice(evaluation) if task == "segmentation" else _right(evaluation, thresholds)).dropna()
    cards = evaluation.reference
    rows = {str(row["frame_id"]): row for row in cards.to_dict("records") if row["frame_id"] in scores.index}
    names, cases, quality, patients, batches = [], [], [], [], []
    for name, case in cards[cards["frame_id"].isin(scores.index)].groupby("case_id", sort=True):
        frames = sorted(map(str, case["frame_id"]))
        names.append(str(name))
        cases.append([{str(key): value for key, value in rows[frame].items()} for frame in frames])
        quality.append(float(scores[frames].mean()))
        patients.append(str(case["patient_id"].iloc[0]))
        batches.append(str(case["batch"].iloc[0]) if "batch" in case else "")
    fit = fit_quality(cases, quality, patients)
    sets = _sets(evaluation.per_patient) if task == "classification" and len(evaluation.per_patient) else None
    known = KnownQuality(
        quality=fit, sets=sets, means=fit_error_of_means(cases, quality, patients, batches) if fit else None,
        words=_words(len(set(patients)), fit is not None),
    )  # fmt: skip
    foretold = {name: fit.left_out(i, cases[i]) for i, name in enumerate(names)} if fit else {}
    return LearnedQuality(
        known=known, reference=_described(cards, dict(zip(names, quality, strict=True)), foretold, fit)
    )


def _described(
    cards: pd.DataFrame,
    measured: Mapping[str, float],
    foretold: Mapping[str, float],
    fit: PredictedQuality | None,
) -> pd.DataFrame:
    if cards.empty:
        return cards
    table = cards.assign(**{MEASURED: cards["case_id"].astype(str).map(measured).astype(float)})
    if fit is None:
        return table
    others = {}
    for name, case in table[~table["case_id"].astype(str).isin(foretold)].groupby("case_id", sort=True):
        rows = [{str(key): value for key, value in row.items()} for row in case.to_dict("records")]
        estimate = fit.estimate(rows)
        others[str(name)] = float("nan") if estimate is None else estimate.value
    return table.assign(**{QUALITY: table["case_id"].astype(str).map({**foretold, **others}).astype(float)})


def _sets(table: pd.DataFrame) -> ConformalSets:
    findings = _findings(table)
    truth, said = (table[[f"{p}{name}" for name in findings]] for p in (TRUTH, PROBABILITY))
    return fit_sets(
        findings, truth.to_numpy(np.float64), said.to_numpy(np.float64), list(table["patient_id"])
    )


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
