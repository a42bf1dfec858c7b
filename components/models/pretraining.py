"""Self-supervised pretraining of the segmenter's encoder: paint what was masked, on images without labels.

After masked autoencoders for volumes (Models Genesis, Zhou et al. 2021; SparK, Tian et al. 2023), kept simple:
blocks of the image are replaced by its mean, the network paints them, and the encoder is kept.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning.pytorch as lightning
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from components.errors import StateError
from components.models.fit import OnEpoch, batches, fit, seeded
from components.models.labeled import UNKNOWN, LabeledFrame, ReadCrop, Shape
from components.models.optimiser import adamw
from components.models.patches import PatchDataset
from components.models.training_plan import Schedule, SegmentationPlan
from components.models.unet import UNet

ENCODER = ("stem.", "down.", "bottleneck.")
_BLOCK, _MASKED = 8, 0.6  # voxels, share; our choice
_STREAM = 0x9A1  # its patches are none that the segmenter sees


class PaintingModule(lightning.LightningModule):  # type: ignore[misc]
    """Trains ``network`` and a painting head on the images of ``PatchDataset``; labels are not looked at."""

    def __init__(
        self, network: UNet, *, rate: float, weight_decay: float, steps: int, schedule: Schedule = "cosine"
    ) -> None:
        super().__init__()
        self.network = network
        self.paint = seeded(lambda: nn.Conv3d(network.config.widths[0], 1, 1), 0)
        self.rate, self.weight_decay, self.steps, self.schedule = rate, weight_decay, steps, schedule

    def training_step(self, batch: tuple[Tensor, Tensor, Tensor], _: int) -> Tensor:
        image_b1zyx = batch[0]
        hidden = hidden_blocks(image_b1zyx)
        mean = image_b1zyx.mean(dim=(2, 3, 4), keepdim=True)
        levels, _embedding = self.network.decode(torch.where(hidden, mean, image_b1zyx))
        return painting_loss(self.paint(levels[-1]).float(), image_b1zyx, hidden)

    def configure_optimizers(self) -> dict[str, Any]:
        # the segmenter's own heads have no part in it
        used = [p for name, p in self.named_parameters() if not name.startswith("network.heads.")]
        return adamw(
            used, rate=self.rate, weight_decay=self.weight_decay, steps=self.steps, schedule=self.schedule
        )


def hidden_blocks(image_b1zyx: Tensor) -> Tensor:
    """Where to hide: whole blocks of 8³ voxels, three in five of each image, from torch's generator."""
    coarse = [-(-side // _BLOCK) for side in image_b1zyx.shape[2:]]
    drawn = torch.rand((len(image_b1zyx), *coarse), device=image_b1zyx.device).flatten(1)
    count = max(1, round(_MASKED * drawn.shape[1]))
    hidden = torch.zeros_like(drawn, dtype=torch.bool).scatter_(1, drawn.topk(count).indices, True)
    fine = hidden.view(-1, 1, *coarse)
    for axis in (2, 3, 4):
        fine = fine.repeat_interleave(_BLOCK, dim=axis)
    z, y, x = image_b1zyx.shape[2:]
    return fine[:, :, :z, :y, :x]


def painting_loss(painted: Tensor, image_b1zyx: Tensor, hidden: Tensor) -> Tensor:
    """Mean absolute error over the hidden voxels, on the grid of ``painted``."""
    z, y, x = painted.shape[2:]
    wanted = functional.adaptive_avg_pool3d(image_b1zyx, (z, y, x))
    where = functional.adaptive_avg_pool3d(hidden.to(painted.dtype), (z, y, x))
    return (where * (painted - wanted).abs()).sum() / where.sum()


def pretrain_encoder(
    frames: Sequence[LabeledFrame],
    plan: SegmentationPlan,
    *,
    checkpoints: Path,
    on_epoch: OnEpoch | None = None,
) -> dict[str, Tensor]:
    """Weights of the encoder, for ``network.load_state_dict(weights, strict=False)`` of ``plan``'s network.

    Args:
        frames: labelled or not (see ``unlabelled``), of training patients only.
        plan: its network, patches, augmentation, batch, rate and ``pretrain_epochs``.
        checkpoints: folder of this very run.
        on_epoch: called with ("pretrain", epoch, loss).

    Raises ``StateError`` without frames.
    """
    if not frames:
        raise StateError(expected="frames to pretrain on", got="none", hint="pretrain_epochs: 0")
    anywhere = dataclasses.replace(plan, foreground_share=0.0)
    network = seeded(lambda: UNet(plan.network(structures=1)), plan.seed)
    data = PatchDataset(
        frames,
        anywhere,
        expert_share=None,
        length=plan.steps_per_epoch * plan.batch_size,
        stream=_STREAM,
    )
    module = PaintingModule(
        network,
        rate=plan.learning_rate,
        weight_decay=plan.weight_decay,
        steps=plan.pretrain_epochs * plan.steps_per_epoch,
        schedule=plan.recipe.schedule,
    )
    for parameter in network.heads.parameters():
        parameter.requires_grad_(False)
    fit(
        module,
        batches(data, batch_size=plan.batch_size, workers=plan.workers),
        name="pretrain",
        epochs=plan.pretrain_epochs,
        seed=plan.seed,
        checkpoint=checkpoints / "pretrain.ckpt",
        precision=plan.used_precision,
        devices=plan.devices,
        on_epoch=on_epoch,
    )
    state = network.cpu().state_dict()
    return {name: tensor for name, tensor in state.items() if name.startswith(ENCODER)}


def unlabelled(frame_id: str, patient_id: str, shape: Shape, read_hu: ReadCrop) -> LabeledFrame:
    """A frame of the pool: every voxel of its label is ignored."""
    return LabeledFrame(
        frame_id=frame_id,
        patient_id=patient_id,
        provenance="pseudo",
        shape=shape,
        read_hu=read_hu,
        read_labels=_nothing,
        foreground={},
    )


def _nothing(_start: Shape, size: Shape) -> npt.NDArray[np.uint8]:
    return np.full(size, UNKNOWN, dtype=np.uint8)
