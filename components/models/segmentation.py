"""Training of the segmenter (Dice + cross-entropy on patches) as a Lightning module."""

from __future__ import annotations

from typing import Any

import lightning.pytorch as lightning
from torch import Tensor

from components.models.optimiser import adamw_cosine
from components.models.segmentation_loss import segmentation_loss
from components.models.unet import UNet


class SegmentationModule(lightning.LightningModule):  # type: ignore[misc]
    """Trains ``network`` on batches of ``PatchDataset``.

    Args:
        network: its heads are trained side by side.
        rate, weight_decay: of AdamW.
        steps: length of the cosine.
    """

    def __init__(self, network: UNet, *, rate: float, weight_decay: float, steps: int) -> None:
        super().__init__()
        self.network = network
        self.rate, self.weight_decay, self.steps = rate, weight_decay, steps

    def training_step(self, batch: tuple[Tensor, Tensor, Tensor], _: int) -> Tensor:
        image, target, weight_bm = batch
        logits, _embedding = self.network(image)
        return segmentation_loss(logits.float(), target, weight_bm)

    def configure_optimizers(self) -> dict[str, Any]:
        return adamw_cosine(
            self.network.parameters(), rate=self.rate, weight_decay=self.weight_decay, steps=self.steps
        )
