"""From a frame on any grid to structures on the same grid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from components.cohort.task import Task
from components.models.description import ModelDescription
from components.models.prediction import FramePrediction
from components.models.sliding_window import blended_slabs, most_probable
from components.models.unet_config import UNetConfig
from components.scorecard.uncertainty import mean_pairwise_dice
from components.volume.canonical import canonical_geometry
from components.volume.resample import resample, resample_labels
from components.volume.volume import LabelMap, Volume
from components.volume.window import window_to_unit


@dataclass(frozen=True, kw_only=True, eq=False)
class SegmentationPredictor:
    """A ``Predictor`` for a ``UNet``; see ``components.models.prediction``."""

    network: nn.Module
    description: ModelDescription
    device: torch.device

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

    def predict(self, volume: Volume) -> FramePrediction:
        """Mean softmax of the heads; uncertainty from how their hard labels disagree."""
        grid = canonical_geometry(volume.geometry, self.description.input.spacing_mm)
        prepared = resample(volume, grid)
        labels, members, embedding = self._infer(prepared)
        names = dict(enumerate(self.label_names, start=1))
        on_grid = LabelMap(labels=labels, geometry=grid, names=names)
        native = resample_labels(on_grid, volume.geometry)
        return FramePrediction(
            labels=native,
            probabilities={},
            uncertainty=1.0 - mean_pairwise_dice(members, len(names) + 1),
            embedding=embedding,
            outputs=_volumes_ml(native),
        )

    def _infer(
        self, prepared: Volume
    ) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8], npt.NDArray[np.float32]]:
        """Labels ``(z, y, x)``, the members' labels ``(m, z, y, x)`` and the embedding ``(d,)``."""
        contract = self.description.input
        unit = window_to_unit(prepared.voxels_hu, *contract.window_hu) + np.float32(contract.shift)
        stride = UNetConfig(**self.description.architecture).stride
        labels, members, embeddings = [], [], []
        with torch.inference_mode():
            image = torch.from_numpy(unit).to(self.device)
            for scores_mkzyx, window_embeddings in blended_slabs(
                self._scores, image, patch=contract.shape, stride=stride
            ):
                labels.append(most_probable(scores_mkzyx.mean(dim=0)))
                members.append(most_probable(scores_mkzyx.transpose(0, 1)))
                embeddings.append(window_embeddings.cpu())
        embedding = torch.cat(embeddings).mean(dim=0).numpy()
        return np.concatenate(labels), np.concatenate(members, axis=1), embedding

    def _scores(self, x_bczyx: Tensor) -> tuple[Tensor, Tensor]:
        logits_bmkzyx, embedding = self.network(x_bczyx)
        return logits_bmkzyx.softmax(dim=2), embedding


def _volumes_ml(label_map: LabelMap) -> dict[str, float]:
    counts = np.bincount(label_map.labels.ravel(), minlength=256)
    per_voxel = label_map.geometry.voxel_volume_ml
    return {f"{name}_ml": float(counts[value] * per_voxel) for value, name in label_map.names.items()}
