"""Training of CT-Scroll (binary cross-entropy over known findings) as a Lightning module."""

from __future__ import annotations

from typing import Any

import lightning.pytorch as lightning
from torch import Tensor

from components.models.ct_scroll import CTScroll
from components.models.findings_loss import findings_loss
from components.models.optimiser import adamw


class ClassificationModule(lightning.LightningModule):  # type: ignore[misc]
    """Trains ``network`` on batches of ``ScanDataset``.

    Args:
        network: to train.
        positive_l: weight of each finding's positives.
        rate, weight_decay: of AdamW.
        steps: length of the cosine.
    """

    def __init__(
        self, network: CTScroll, *, positive_l: Tensor, rate: float, weight_decay: float, steps: int
    ) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("positive_l", positive_l, persistent=False)
        self.rate, self.weight_decay, self.steps = rate, weight_decay, steps

    def training_step(self, batch: tuple[Tensor, Tensor, Tensor, Tensor], _: int) -> Tensor:
        image, valid_bt, findings_bl, weight_b = batch
        logits, _embedding = self.network(image, valid_bt)
        return findings_loss(logits.float(), findings_bl, weight_b, self.positive_l)

    def configure_optimizers(self) -> dict[str, Any]:
        return adamw(
            self.network.parameters(), rate=self.rate, weight_decay=self.weight_decay, steps=self.steps
        )
