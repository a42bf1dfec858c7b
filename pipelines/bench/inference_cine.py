"""A cine as one call against our own frame-by-frame calls, on a wide and on a tight field of view."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from components.metrics.cardiac_cycle import consecutive_dice
from components.metrics.overlap import dice_per_structure
from components.models.prediction import FramePrediction
from components.models.segmentation_predictor import SegmentationPredictor
from components.phantom.cardiac import CardiacFrame
from components.volume.volume import LabelMap, Volume


@dataclass(frozen=True, kw_only=True)
class CineResult:
    """Args:
    ratio: seconds of the frame-by-frame calls over those of the cine call.
    frame_s: seconds per frame, frame by frame.
    worst_dice: of the cine's masks against the frames', the worst structure of the worst frame.
    dice_alone, dice_together: mean Dice to the truth, frame by frame and as a cine.
    """

    ratio: float
    frame_s: float
    worst_dice: float
    dice_alone: float
    dice_together: float


def compare_cine(predictor: SegmentationPredictor, frames: Sequence[CardiacFrame]) -> CineResult:
    """Each frame alone and the cine, turn by turn, so that a busy machine slows both."""
    predictor.predict(frames[0].volume)  # compiles
    cine = predictor.predict_cine([partial(_volume, frame) for frame in frames])
    alone_s = together_s = 0.0
    worst = 1.0
    to_truth: dict[str, list[float]] = {"alone": [], "together": []}
    for frame in frames:
        start = time.perf_counter()
        alone = predictor.predict(frame.volume)
        middle = time.perf_counter()
        _, together = next(cine)
        together_s += time.perf_counter() - middle
        alone_s += middle - start
        worst = min(worst, worst_dice(_labels(together), _labels(alone)))
        for name, answer in (("alone", alone), ("together", together)):
            to_truth[name] += dice_per_structure(_labels(answer), frame.labels).values()
    return CineResult(
        ratio=alone_s / together_s,
        frame_s=alone_s / len(frames),
        worst_dice=worst,
        dice_alone=float(np.nanmean(to_truth["alone"])),
        dice_together=float(np.nanmean(to_truth["together"])),
    )


def worst_dice(ours: LabelMap, reference: LabelMap) -> float:
    """The lowest Dice among the structures that either shows; 1 when both are empty."""
    scores = [score for score in dice_per_structure(ours, reference).values() if np.isfinite(score)]
    return min(scores, default=1.0)


def judge_cine(predictor: SegmentationPredictor, frames: Sequence[CardiacFrame]) -> dict[str, float]:
    """Mean Dice to the truth, and the mean jump between neighbouring frames (1 - Dice) of mask and truth.

    Smoothness alone proves nothing: a frozen mask would jump by 0.
    """
    answers = dict(predictor.predict_cine([partial(_volume, frame) for frame in frames]))
    masks = [_labels(answers[i]) for i in range(len(frames))]
    scores = [dice_per_structure(m, f.labels) for m, f in zip(masks, frames, strict=True)]
    return {
        "dice": round(float(np.nanmean([list(score.values()) for score in scores])), 4),
        "jump": round(_jump(masks), 4),
        "jump_of_the_truth": round(_jump([frame.labels for frame in frames]), 4),
    }


def _jump(masks: Sequence[LabelMap]) -> float:
    return 1.0 - float(np.nanmean(list(consecutive_dice(masks).values())))


def _volume(frame: CardiacFrame) -> Volume:
    return frame.volume


def _labels(answer: FramePrediction | Exception) -> LabelMap:
    if isinstance(answer, Exception):
        raise answer
    assert answer.labels is not None
    return answer.labels
