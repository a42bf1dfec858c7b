"""Training of the segmenter (Dice + cross-entropy on patches) as a Lightning module."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import lightning.pytorch as lightning
from lightning.pytorch.callbacks import Callback
from torch import Tensor

from components.models.batch_share import share_of_batch
from components.models.deep_supervision import AuxiliaryHeads, deep_loss
from components.models.fit import seeded
from components.models.optimiser import adamw
from components.models.training_plan import Recipe
from components.models.unet import UNet
from components.models.weight_average import WeightAverage, decay_of


class SegmentationModule(lightning.LightningModule):  # type: ignore[misc]
    """Trains ``network`` on batches of ``PatchDataset``.

    Args:
        network: its heads are trained side by side; it ends with the average of its weights, if the recipe
            asks for one.
        rate, weight_decay: of AdamW.
        steps: of the training, in all.
        recipe: schedule, deep supervision, average.
    """

    def __init__(
        self, network: UNet, *, rate: float, weight_decay: float, steps: int, recipe: Recipe | None = None
    ) -> None:
        super().__init__()
        self.network = network
        self.rate, self.weight_decay, self.steps = rate, weight_decay, steps
        self.recipe = recipe or Recipe()
        # not the network's: a package never holds them
        self.auxiliary = (
            seeded(lambda: AuxiliaryHeads(network.config), 0) if self.recipe.deep_supervision else None
        )

    def training_step(self, batch: tuple[Tensor, Tensor, Tensor], _: int) -> Tensor:
        image, target, weight_bm = batch
        levels, _embedding = self.network.decode(image)
        coarse = self.auxiliary(levels[:-1]) if self.auxiliary is not None else []
        loss = deep_loss([self.network.logits(levels[-1]), *reversed(coarse)], target.long(), weight_bm)
        return loss * share_of_batch(weight_bm)

    def configure_optimizers(self) -> dict[str, Any]:
        return adamw(
            self.parameters(),
            rate=self.rate,
            weight_decay=self.weight_decay,
            steps=self.steps,
            schedule=self.recipe.schedule,
        )

    def configure_callbacks(self) -> Sequence[Callback]:
        """Lightning calls this before it reads a checkpoint, so that the average is resumed too."""
        if self.recipe.ema == 0.0:
            return []
        return [WeightAverage(self.network, decay_of(self.recipe.ema, self.steps))]
