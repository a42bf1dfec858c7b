"""What a model says about one frame: the contract between models and everything that judges them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from components.cohort.task import Task
from components.errors import CtloopError
from components.scorecard.predicted_quality import PredictedQuality
from components.volume.volume import LabelMap, Volume

# What a damaged file or a failing network raises; anything else is a fault of ours and must be seen.
FRAME_ERRORS = (CtloopError, OSError, ValueError, RuntimeError, ArithmeticError)


@dataclass(frozen=True, kw_only=True, eq=False)
class FramePrediction:
    """One model's answer for one frame.

    Args:
        labels: segmentation on the grid of the volume that was given; ``None`` for classification.
        probabilities: finding → calibrated probability; empty for segmentation.
        uncertainty: in [0, 1], higher = less sure (segmentation: 1 - mean pairwise foreground Dice
            of the members, Zenk et al. 2025; classification: mean binary entropy in bits).
        embedding: ``(d,)`` float32, pooled encoder features.
        outputs: scalars watched for drift: ``{structure}_ml`` volumes or ``{finding}`` probabilities.
        signals: further columns of ``components.scorecard.columns`` that the pass measured.
        sets: finding → its conformal set in a word, see ``components.scorecard.conformal_sets``.
    """

    labels: LabelMap | None
    probabilities: Mapping[str, float]
    uncertainty: float
    embedding: npt.NDArray[np.float32]
    outputs: Mapping[str, float]
    signals: Mapping[str, float] = field(default_factory=dict)
    sets: Mapping[str, str] = field(default_factory=dict)


LoadFrame = Callable[[], Volume]
CineAnswer = tuple[int, FramePrediction | Exception]


class Predictor(Protocol):
    """A loaded model package."""

    @property
    def task(self) -> Task: ...

    @property
    def label_names(self) -> tuple[str, ...]:
        """Structures (value i+1) or findings, in the order of the model's outputs."""
        ...

    def predict(self, volume: Volume) -> FramePrediction:
        """Predict on any grid: the package's own input contract does canonical LPS, spacing and window."""
        ...


@runtime_checkable
class CinePredictor(Protocol):
    """A ``Predictor`` that shares work between the frames of one case."""

    def predict_cine(self, frames: Iterable[LoadFrame]) -> Iterator[CineAnswer]:
        """Position and answer of each frame: a prediction, or what its loading or prediction raised.

        Args:
            frames: in phase order; each is loaded when its turn comes, and let go.

        Positions come in cyclic order, which need not begin at 0.
        """
        ...


@runtime_checkable
class ForetellsQuality(Protocol):
    """A ``Predictor`` whose package can say how good its answer on a case will be."""

    @property
    def quality(self) -> PredictedQuality | None:
        """``None``: too few expert labels have judged this version."""
        ...


@runtime_checkable
class DoubtsVoxels(Protocol):
    """A ``Predictor`` that knows of every voxel how sure it is."""

    def doubt(self, volume: Volume) -> LabelMap:
        """Per voxel of the network's grid, in percent (0 to 100), the probability that the label shown is wrong."""
        ...


def frame_by_frame(
    predict: Callable[[Volume], FramePrediction], frames: Iterable[LoadFrame]
) -> Iterator[CineAnswer]:
    """Each frame for itself; one that fails never stops the others."""
    for position, load in enumerate(frames):
        try:
            answer: FramePrediction | Exception = predict(load())
        except FRAME_ERRORS as error:
            answer = error
        yield position, answer
