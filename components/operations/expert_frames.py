"""Frames with an expert's truth, and what a model scores on them, one number per patient."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import pandas as pd

from components.cohort.task import Task
from components.errors import CtloopError
from components.metrics.calibration import brier
from components.metrics.overlap import dice_per_structure
from components.metrics.weighting import Array
from components.models.prediction import Predictor
from components.volume.volume import LabelMap, Volume

# Structure → Dice (and ``EXPECTED_DICE``), or finding → probability. Empty: the model could not predict this frame.
FrameScore: TypeAlias = Mapping[str, float]
# (package hash, fingerprint of the frame and its truth) → score; a frame is judged once per package, and
# again where the model failed: out of memory is not a property of the package.
ScoreCache: TypeAlias = MutableMapping[tuple[str, str], FrameScore]

EXPECTED_DICE = "expected_dice"
"""The model's own estimate of its mean Dice on a frame, see ``components.scorecard.columns``."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, eq=False)
class ExpertFrame:
    """One held-out frame.

    Args:
        stratum: the batch in which its patient arrived.
        fingerprint: hash of the voxels and the truth.
        volume: reads the frame.
        expert: reads the expert's label map (segmentation) or findings, 0, 1 or NaN (classification).
    """

    frame_id: str
    patient_id: str
    stratum: str
    fingerprint: str
    volume: Callable[[], Volume]
    expert: Callable[[], LabelMap | Mapping[str, float]]


def score_frames(
    predictor: Predictor,
    frames: Sequence[ExpertFrame],
    *,
    package_hash: str,
    cache: ScoreCache,
    progress: Callable[[int, int], None] | None = None,
) -> list[FrameScore]:
    """One score per frame; a frame on which the model fails gets an empty one."""
    scores = []
    for done, frame in enumerate(frames, start=1):
        key = (package_hash, frame.fingerprint)
        score = cache.get(key) or _score(predictor, frame)
        if score:
            cache[key] = score
        scores.append(score)
        if progress is not None:
            progress(done, len(frames))
    return scores


def _score(predictor: Predictor, frame: ExpertFrame) -> FrameScore:
    volume, expert = frame.volume(), frame.expert()
    try:
        prediction = predictor.predict(volume)
    except (CtloopError, ValueError, RuntimeError, ArithmeticError) as error:
        _log.warning("frame %s could not be predicted: %s", frame.frame_id, error)
        return {}
    if isinstance(expert, LabelMap):
        if prediction.labels is None:
            return {}
        own = {name: prediction.signals[name] for name in (EXPECTED_DICE,) if name in prediction.signals}
        return {**dice_per_structure(prediction.labels, expert), **own}
    return dict(prediction.probabilities)


def patient_table(task: Task, frames: Sequence[ExpertFrame], scores: Sequence[FrameScore]) -> pd.DataFrame:
    """``patient_id``, ``stratum``, ``score`` (and ``baseline``), one row per patient, higher is better.

    Segmentation: Dice averaged over the structures that occur, then over the patient's frames.
    Classification: 1 - mean Brier score over the known ones of the ``judged_findings``, averaged over the
    patient's cases; ``baseline`` is the same for each finding's prevalence in this very test set. A frame on
    which the model fails scores 0; a patient without any truth to compare with is left out.
    """
    columns: dict[str, Sequence[float] | Array]
    if task == "segmentation":
        columns = {"score": [mean_dice(score) for score in scores]}
    else:
        columns = _classification_columns(frames, scores)
    table = pd.DataFrame(
        {
            "patient_id": [frame.patient_id for frame in frames],
            "stratum": [frame.stratum for frame in frames],
            **columns,
        }
    ).dropna()
    return table.groupby(["patient_id", "stratum"], as_index=False, sort=True).mean()


def findings_truth(frames: Sequence[ExpertFrame]) -> tuple[tuple[str, ...], Array]:
    """The findings that the experts name, and their values ``(frames, findings)``; NaN = unknown."""
    answers = [expert for frame in frames if not isinstance(expert := frame.expert(), LabelMap)]
    names = tuple(dict.fromkeys(name for answer in answers for name in answer))
    rows = [[float(answer.get(name, np.nan)) for name in names] for answer in answers]
    return names, np.array(rows, dtype=np.float64).reshape(len(answers), len(names))


def judged_findings(truth_nk: Array) -> list[int]:
    """Columns with a positive and a negative case: only these tell models apart; else all columns."""
    both = [k for k in range(truth_nk.shape[1]) if {0.0, 1.0} <= set(truth_nk[:, k])]
    return both or list(range(truth_nk.shape[1]))


def probabilities_of(names: Sequence[str], scores: Sequence[FrameScore]) -> Array:
    """``(frames, findings)``; NaN where the model says nothing."""
    rows = [[float(score.get(name, np.nan)) for name in names] for score in scores]
    return np.array(rows, dtype=np.float64).reshape(len(rows), len(names))


def believed(truth_nk: Array, probability_nk: Array) -> Array:
    """A missing probability counts as wrong, so that a model cannot win by silence."""
    return np.where(np.isnan(probability_nk), 1.0 - np.nan_to_num(truth_nk), probability_nk)


def mean_dice(score: FrameScore) -> float:
    """Over the structures that occur; 0 where the model failed, NaN where nothing is to be seen."""
    if not score:
        return 0.0
    values = np.array([value for name, value in score.items() if name != EXPECTED_DICE], dtype=np.float64)
    present = values[np.isfinite(values)]
    return float(present.mean()) if present.size else float("nan")


def _classification_columns(
    frames: Sequence[ExpertFrame], scores: Sequence[FrameScore]
) -> dict[str, Sequence[float] | Array]:
    names, truth = findings_truth(frames)
    columns = judged_findings(truth)
    truth, probability = truth[:, columns], probabilities_of(names, scores)[:, columns]
    probability = believed(truth, probability)
    known = ~np.isnan(truth)
    prevalence = np.where(known, truth, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    baseline = np.broadcast_to(prevalence, truth.shape)
    return {"score": _one_minus_brier(truth, probability), "baseline": _one_minus_brier(truth, baseline)}


def _one_minus_brier(truth_nk: Array, probability_nk: Array) -> list[float]:
    return [1.0 - float(brier(t, p)) for t, p in zip(truth_nk, probability_nk, strict=True)]
