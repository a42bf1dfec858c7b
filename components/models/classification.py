"""Training of a classifier (binary cross-entropy over known findings) as a Lightning module."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import lightning.pytorch as lightning
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor

from components.models.batch_share import share_of_batch
from components.models.classifiers import Classifier
from components.models.findings_loss import findings_loss
from components.models.optimiser import adamw
from components.models.weight_average import WeightAverage, decay_of


class ClassificationModule(lightning.LightningModule):  # type: ignore[misc]
    """Trains ``network`` on batches of ``ScanDataset``.

    Args:
        network: to train; it ends with the average of its weights, if ``ema`` asks for one.
        positive_l: weight of each finding's positives.
        rate, weight_decay: of AdamW.
        steps: of the optimiser, in all.
        ema: memory of the average as a share of the steps; 0 = none.
    """

    def __init__(
        self,
        network: Classifier,
        *,
        positive_l: Tensor,
        rate: float,
        weight_decay: float,
        steps: int,
        ema: float = 0.0,
    ) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("positive_l", positive_l, persistent=False)
        self.rate, self.weight_decay, self.steps, self.ema = rate, weight_decay, steps, ema

    def training_step(self, batch: tuple[Tensor, Tensor, Tensor, Tensor], _: int) -> Tensor:
        image, valid_bt, findings_bl, weight_b = batch
        logits, _embedding = self.network(image, valid_bt)
        loss = findings_loss(logits.float(), findings_bl, weight_b, self.positive_l)
        return loss * share_of_batch(torch.isfinite(findings_bl) * weight_b[:, None])

    def configure_optimizers(self) -> dict[str, Any]:
        return adamw(
            self.network.parameters(), rate=self.rate, weight_decay=self.weight_decay, steps=self.steps
        )

    def configure_callbacks(self) -> Sequence[Callback]:
        """Lightning calls this before it reads a checkpoint, so that the average is resumed too."""
        return [WeightAverage(self.network, decay_of(self.ema, self.steps))] if self.ema else []
