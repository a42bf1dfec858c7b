"""From a frame on any grid to structures on the same grid."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property, partial

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from components.cohort.task import Task
from components.models.description import ModelDescription
from components.models.engine import Engine, choose_engine
from components.models.frame_evidence import FrameEvidence, Labels, frame_evidence
from components.models.prediction import (
    FRAME_ERRORS,
    CineAnswer,
    FramePrediction,
    LoadFrame,
    frame_by_frame,
)
from components.models.sliding_window import Shown
from components.models.smoothed_cycle import WaitingFrame, smoothed_cycle
from components.models.still_windows import StillRule, StillWindows
from components.models.training_plan import Precision
from components.models.unet_config import UNetConfig
from components.models.window_grid import WindowGrid
from components.scorecard.predicted_quality import PredictedQuality
from components.volume.canonical import canonical_geometry
from components.volume.geometry import Geometry
from components.volume.label_counts import label_counts
from components.volume.slabs import labels_in_slabs, resample_in_slabs
from components.volume.volume import LabelMap, Volume

_NOTHING = Shown(labels=np.zeros((0, 0, 0), np.uint8), members=np.zeros((0, 0, 0, 0), np.uint8))


@dataclass(frozen=True, kw_only=True, eq=False)
class SegmentationPredictor:
    """A ``Predictor`` and ``CinePredictor`` for a ``UNet``; see ``components.models.prediction``.

    Args:
        precision: ``auto`` takes bfloat16 where the hardware computes in it; see ``choose_engine``.
        still: which windows of a cine are not run again; see ``components.models.still_windows``.

    ``quality`` was learned from judged cases, and is ``None`` before there are enough.

    Frames of a cine listen to their neighbours as the package's ``temporal`` says, off by default; see
    ``components.scorecard.temporal_smoothing``. Single frames have no neighbours and stay as they are.
    """

    network: nn.Module
    description: ModelDescription
    device: torch.device
    precision: Precision = "auto"
    still: StillRule = field(default_factory=StillRule)
    quality: PredictedQuality | None = None

    @property
    def task(self) -> Task:
        return "segmentation"

    @property
    def label_names(self) -> tuple[str, ...]:
        return self.description.label_names

    @property
    def thresholds(self) -> dict[str, float]:
        """Empty: label maps have no threshold."""
        return {}

    @cached_property
    def engine(self) -> Engine:
        """Made when first needed."""
        stride = UNetConfig(**self.description.architecture).stride
        return choose_engine(self.network, stride=stride, device=self.device, precision=self.precision)

    def predict(self, volume: Volume) -> FramePrediction:
        """Mean softmax of the heads; uncertainty from how their hard labels disagree."""
        return _Cine(predictor=self).predict(volume)

    def doubt(self, volume: Volume) -> LabelMap:
        """1 - the heads' mean softmax of the label shown, in percent, on the network's grid."""
        grid, evidence, _ = _Cine(predictor=self).see(volume, top_two=True)
        assert evidence.top_two is not None
        percent = np.rint((255.0 - evidence.top_two.first_share) * (100.0 / 255.0)).astype(np.uint8)
        return LabelMap(labels=percent, geometry=grid, names={})

    def predict_cine(self, frames: Iterable[LoadFrame]) -> Iterator[CineAnswer]:
        """Like ``predict`` on each frame, but faster where the view is wider than the heart.

        Windows in which nothing moves are not run again (``still``); one frame is held at a time, with the label
        maps of the one before, and positions come in order. With temporal smoothing every window is run: a label
        that was kept has no probability, and would count as certain.
        """
        smoothing = self.description.input.temporal
        if smoothing.strength == 0.0:
            return frame_by_frame(_Cine(predictor=self, still=StillWindows(rule=self.still)).predict, frames)
        return smoothed_cycle(_Cine(predictor=self).waiting(frames), smoothing)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Cine:
    """One case's frames, one after the other."""

    predictor: SegmentationPredictor
    still: StillWindows = field(default_factory=lambda: StillWindows(rule=StillRule(full_every=1)))

    def predict(self, volume: Volume) -> FramePrediction:
        grid, evidence, embedding = self.see(volume, top_two=False)
        return _prediction(self.predictor, volume.geometry, grid, evidence, embedding, evidence.shown.labels)

    def waiting(self, frames: Iterable[LoadFrame]) -> Iterator[WaitingFrame | Exception]:
        """Evidence of each frame in order, without its volume, or what it raised."""
        for load in frames:
            try:
                answer: WaitingFrame | Exception = self._wait(load())
            except FRAME_ERRORS as error:
                answer = error
            yield answer

    def _wait(self, volume: Volume) -> WaitingFrame:
        grid, evidence, embedding = self.see(volume, top_two=True)
        assert evidence.top_two is not None
        light = replace(evidence, shown=_NOTHING, top_two=None)  # what waits is held for two more frames
        finish = partial(_prediction, self.predictor, volume.geometry, grid, light, embedding)
        return WaitingFrame(evidence=evidence.top_two, grid=grid, finish=finish)

    def see(
        self, volume: Volume, *, top_two: bool
    ) -> tuple[Geometry, FrameEvidence, npt.NDArray[np.float32]]:
        by = self.predictor
        contract = by.description.input
        grid = canonical_geometry(volume.geometry, contract.spacing_mm)
        prepared = resample_in_slabs(volume, grid)
        config = UNetConfig(**by.description.architecture)
        windows = WindowGrid.over(grid.shape, patch=contract.shape, stride=config.stride)
        skipped = self.still.skip(prepared, windows)
        evidence = frame_evidence(
            by.engine, prepared, by.description, windows, by.device,
            heads=config.heads, skip=skipped, before=self.still.shown,
            top_two=top_two, keep_members=not self.still.of_one_frame,
        )  # fmt: skip
        embedding = self.still.learn(prepared, windows, skipped, evidence.shown, evidence.embeddings)
        return grid, evidence, embedding


def _prediction(
    predictor: SegmentationPredictor,
    native: Geometry,
    grid: Geometry,
    evidence: FrameEvidence,
    embedding: npt.NDArray[np.float32],
    labels: Labels,
) -> FramePrediction:
    """``labels`` on ``grid`` brought to the native one; all else is the frame's own evidence."""
    names = dict(enumerate(predictor.label_names, start=1))
    on_native = labels_in_slabs(LabelMap(labels=labels, geometry=grid, names=names), native)
    unsure, volumes = 1.0 - evidence.pairs.mean_dice(), _volumes_ml(on_native)
    several = {"pairwise_dice_disagreement": unsure} if len(evidence.pairs.sizes) else {}
    return FramePrediction(
        labels=on_native,
        probabilities={},
        uncertainty=unsure,
        embedding=embedding,
        outputs=volumes,
        signals={**evidence.signals, **several, "foreground_ml": sum(volumes.values())},
    )


def _volumes_ml(label_map: LabelMap) -> dict[str, float]:
    counts = label_counts(label_map.labels)
    per_voxel = label_map.geometry.voxel_volume_ml
    return {f"{name}_ml": float(counts[value] * per_voxel) for value, name in label_map.names.items()}
