"""Self-training of the segmenter: pseudo-labels → M_1 → … → M_k → fine-tune on experts.

After Rickmann et al., FIMH 2025 (arXiv 2505.09564); numbers of rounds and shares are our choice.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from components.errors import StateError
from components.models.description import InputContract, ModelDescription
from components.models.fit import OnEpoch, batches, fit, seeded
from components.models.labeled import LabeledFrame, in_memory, sample_foreground
from components.models.patches import PatchDataset
from components.models.segmentation import SegmentationModule
from components.models.sliding_window import blended_slabs, most_probable
from components.models.training_plan import SegmentationPlan
from components.models.unet import UNet
from components.volume.window import window_to_unit


@dataclass(frozen=True, kw_only=True)
class _Step:
    name: str
    epochs: int
    rate: float
    expert_share: float | None


def train_segmentation(
    frames: Sequence[LabeledFrame],
    structures: int,
    plan: SegmentationPlan,
    *,
    checkpoints: Path,
    on_epoch: OnEpoch | None = None,
) -> tuple[UNet, dict[str, list[float]]]:
    """A trained network and the loss curve of each step.

    Args:
        frames: of training patients only.
        structures: classes without background.
        plan: see ``SegmentationPlan``.
        checkpoints: folder of this very run (the caller names it by inputs and parameters).
        on_epoch: called with (step, epoch, loss).

    Raises ``StateError`` without any label.
    """
    if not frames:
        raise StateError(
            expected="labelled frames of training patients",
            got="none",
            hint="running pseudo-label, or importing expert labels",
        )
    config = plan.network(structures)
    network, curves = seeded(lambda: UNet(config), plan.seed), {}
    for number, step in enumerate(_steps(frames, plan)):
        if step.name.startswith("relabel"):
            frames = [_relabelled(network, frame, plan) for frame in frames]
            network = seeded(lambda: UNet(config), plan.seed)
        data = PatchDataset(
            frames,
            plan,
            expert_share=step.expert_share,
            length=plan.steps_per_epoch * plan.batch_size,
            stream=number,
        )
        module = SegmentationModule(
            network, rate=step.rate, weight_decay=plan.weight_decay, steps=step.epochs * plan.steps_per_epoch
        )
        curves[step.name] = fit(
            module,
            batches(data, batch_size=plan.batch_size, workers=plan.workers),
            name=step.name,
            epochs=step.epochs,
            seed=plan.seed,
            checkpoint=checkpoints / f"{number}-{step.name}.ckpt",
            precision=plan.precision,
            on_epoch=on_epoch,
        )
    return network.cpu(), curves


def _steps(frames: Sequence[LabeledFrame], plan: SegmentationPlan) -> list[_Step]:
    """Rounds on all labels, then experts; one long run when there is nothing but experts (or none)."""
    kinds = {frame.provenance == "expert" for frame in frames}
    tune = _Step(
        name="fine-tune",
        epochs=plan.fine_tune_epochs,
        rate=plan.fine_tune_rate,
        expert_share=plan.expert_share,
    )
    first = _Step(name="student-1", epochs=plan.epochs, rate=plan.learning_rate, expert_share=None)
    if kinds == {True}:
        return [dataclasses.replace(first, name="experts", epochs=plan.epochs + plan.fine_tune_epochs)]
    rounds = [dataclasses.replace(first, name=f"relabel-{k}") for k in range(2, plan.rounds + 1)]
    return [first, *rounds, *([tune] if True in kinds and plan.fine_tune_epochs else [])]


def _relabelled(network: UNet, frame: LabeledFrame, plan: SegmentationPlan) -> LabeledFrame:
    """The frame with ``network``'s labels in place of a pseudo-label; expert labels stay."""
    if frame.provenance == "expert":
        return frame
    labels = hard_labels(network, frame.read_hu((0, 0, 0), frame.shape), plan)
    foreground = sample_foreground(labels, np.random.default_rng(plan.seed))
    return dataclasses.replace(frame, read_labels=in_memory(labels), foreground=foreground)


def hard_labels(
    network: UNet, voxels_hu: npt.NDArray[np.int16], plan: SegmentationPlan
) -> npt.NDArray[np.uint8]:
    """Labels ``(z, y, x)`` of the heads' mean softmax on a prepared frame."""
    device = next(network.parameters()).device
    image = torch.from_numpy(window_to_unit(voxels_hu, *plan.window_hu)).to(device)

    def mean_softmax(x_bczyx: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        logits, embedding = network(x_bczyx)
        return logits.softmax(dim=2).mean(dim=1), embedding

    with torch.inference_mode():
        slabs = blended_slabs(mean_softmax, image, patch=plan.patch, stride=network.config.stride)
        parts = [most_probable(scores) for scores, _ in slabs]
    return np.concatenate(parts)


def describe(
    network: UNet, plan: SegmentationPlan, structures: Sequence[str], spacing_mm: tuple[float, float, float]
) -> ModelDescription:
    """What the package says about a trained network, but for its training."""
    contract = InputContract(spacing_mm=spacing_mm, window_hu=plan.window_hu, shape=plan.patch)
    return ModelDescription(
        task="segmentation",
        architecture=dataclasses.asdict(network.config),
        input=contract,
        label_names=tuple(structures),
    )
