"""The label maps that a model predicted, kept small, so that no picture needs a second prediction."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from components.models.prediction import FramePrediction
from components.volume.geometry import Geometry
from components.volume.volume import LabelMap


@dataclass(frozen=True, kw_only=True)
class PredictedLabels:
    """frame_id → label map; a heart of 122×102×112 voxels takes about 30 KB."""

    _kept: dict[str, tuple[bytes, Geometry, Mapping[int, str]]] = field(default_factory=dict, repr=False)

    def keep(self, frame_id: str, prediction: FramePrediction) -> None:
        """Nothing for a prediction without a label map."""
        labels = prediction.labels
        if labels is not None:
            content = zlib.compress(np.ascontiguousarray(labels.labels).tobytes(), level=1)
            self._kept[frame_id] = (content, labels.geometry, dict(labels.names))

    def label_map(self, frame_id: str) -> LabelMap | None:
        """``None`` for a frame that was not predicted."""
        if frame_id not in self._kept:
            return None
        content, geometry, names = self._kept[frame_id]
        labels = np.frombuffer(zlib.decompress(content), dtype=np.uint8).reshape(geometry.shape)
        return LabelMap(labels=labels, geometry=geometry, names=names)
