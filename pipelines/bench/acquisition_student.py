"""The segmenter of ``ctloop bench acquisition``: a poor teacher, its student, and students tuned on expert labels.

Each is a small U-Net with three heads; a label set always trains a copy of the same start with the same steps.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from components.cohort.structures import HEART_STRUCTURES
from components.models.fit import seeded
from components.models.labeled import LabeledFrame, in_memory, sample_foreground
from components.models.patches import PatchDataset
from components.models.segmentation import SegmentationModule
from components.models.training_plan import Augmentation, Recipe, SegmentationPlan
from components.models.unet import UNet
from components.volume.window import window_to_unit
from pipelines.bench.acquisition_pool import SIDE, Pool

Labels = npt.NDArray[np.uint8]
_AT_ONCE = 8  # frames per pass

PLAN = SegmentationPlan(
    patch=(SIDE,) * 3, widths=(8, 16, 32), heads=3, batch_size=2, foreground_share=0.0, expert_share=0.7,
    learning_rate=0.02, fine_tune_rate=0.02, recipe=Recipe(deep_supervision=False, ema=0.0),
    augmentation=Augmentation(scale=0.06, rotation_degrees=6.0, contrast=0.1, brightness=0.05, noise=0.03, blur=0.0),
)  # fmt: skip
TEACHER_STEPS, START_STEPS, TUNE_STEPS = 300, 500, 300


@dataclass(frozen=True, kw_only=True, eq=False)
class Said:
    """What a network says of frames: n frames, m members, k classes, d features.

    Args:
        labels: ``(n, z, y, x)`` of the mean softmax.
        members: ``(n, m, z, y, x)``.
        entropy: ``(n,)`` of the mean softmax, nats, means over voxels.
        class_scores: ``(n, k)`` entropy × probability, means over voxels (Lüth et al., arXiv 2601.13677).
        embedding: ``(n, d)``.
    """

    labels: Labels
    members: Labels
    entropy: npt.NDArray[np.float64]
    class_scores: npt.NDArray[np.float64]
    embedding: npt.NDArray[np.float32]


def labelled(
    pool: Pool, rows: Sequence[int], provenance: str, labels: Mapping[int, Labels] | None = None
) -> list[LabeledFrame]:
    """Frames of the pool with their truth, or with other ``labels``; those without any structure are left out."""
    frames = []
    for row in rows:
        own = pool.labels[row] if labels is None else labels[row]
        foreground = sample_foreground(own, np.random.default_rng(row))
        frames.append(
            LabeledFrame(
                frame_id=str(pool.frames["frame_id"].iloc[row]),
                patient_id=str(pool.frames["patient_id"].iloc[row]),
                provenance=provenance,
                shape=(SIDE,) * 3,
                read_hu=in_memory(pool.voxels[row]),
                read_labels=in_memory(own),
                foreground=foreground,
            )
        )
    return [frame for frame in frames if frame.foreground]


def new_network(seed: int) -> UNet:
    """With weights drawn from ``seed``."""
    return seeded(lambda: UNet(PLAN.network(len(HEART_STRUCTURES))), seed)


def trained(
    network: UNet, frames: Sequence[LabeledFrame], plan: SegmentationPlan, *, steps: int, rate: float
) -> UNet:
    """A copy of ``network`` after ``steps`` on ``frames``; every choice follows from ``plan.seed``."""
    module = SegmentationModule(
        copy.deepcopy(network), rate=rate, weight_decay=plan.weight_decay, steps=steps, recipe=plan.recipe
    )
    told = module.configure_optimizers()
    optimiser, schedule = told["optimizer"], told["lr_scheduler"]["scheduler"]
    module.train()
    for number, batch in enumerate(_batches(frames, plan, steps)):
        optimiser.zero_grad(set_to_none=True)
        module.training_step(batch, number).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
    return module.network.eval()


def _batches(
    frames: Sequence[LabeledFrame], plan: SegmentationPlan, steps: int
) -> Iterator[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
    data = PatchDataset(frames, plan, expert_share=plan.expert_share, length=steps * plan.batch_size)
    for start in range(0, len(data), plan.batch_size):
        image, target, weight = zip(*(data[start + i] for i in range(plan.batch_size)), strict=True)
        yield torch.stack(image), torch.stack(target), torch.stack(weight)


@torch.inference_mode()
def say(network: UNet, voxels_hu: npt.NDArray[np.int16]) -> Said:
    """Of frames ``(n, z, y, x)``."""
    parts = [
        _say(network, voxels_hu[start : start + _AT_ONCE]) for start in range(0, len(voxels_hu), _AT_ONCE)
    ]
    return Said(**{name: np.concatenate([vars(part)[name] for part in parts]) for name in vars(parts[0])})


def _say(network: UNet, voxels_hu: npt.NDArray[np.int16]) -> Said:
    logits, embedding = network(_seen(voxels_hu))
    mean = logits.softmax(dim=2).mean(dim=1)
    entropy = -(mean * mean.clamp_min(1e-12).log()).sum(dim=1)
    scores = torch.einsum("ns,nks->nk", entropy.flatten(1), mean.flatten(2)) / entropy[0].numel()
    return Said(
        labels=_best(mean, 1),
        members=_best(logits, 2),
        entropy=entropy.mean(dim=(1, 2, 3)).double().numpy(),
        class_scores=scores.double().numpy(),
        embedding=embedding.numpy(),
    )


@torch.inference_mode()
def segment(network: UNet, voxels_hu: npt.NDArray[np.int16]) -> Labels:
    """The labels of ``say`` alone, in half the time."""
    parts = [
        _best(network(_seen(voxels_hu[start : start + _AT_ONCE]))[0].softmax(dim=2).mean(dim=1), 1)
        for start in range(0, len(voxels_hu), _AT_ONCE)
    ]
    return np.concatenate(parts)


def _seen(voxels_hu: npt.NDArray[np.int16]) -> torch.Tensor:
    return torch.from_numpy(window_to_unit(voxels_hu, *PLAN.window_hu))[:, None]


def _best(scores: torch.Tensor, axis: int) -> Labels:
    # on a CPU torch's argmax over such an axis takes five times as long as max
    return np.asarray(scores.max(dim=axis).indices.to(torch.uint8).numpy())


def mean_dice(predicted: Labels, truth: Labels) -> npt.NDArray[np.float64]:
    """``(n,)`` mean over the structures that either map of a frame holds; NaN where none is held."""
    classes = len(HEART_STRUCTURES) + 1
    scores = np.full((len(truth), classes - 1), np.nan)
    for row, (said, true) in enumerate(zip(predicted, truth, strict=True)):
        sizes = np.bincount(said.ravel(), minlength=classes) + np.bincount(true.ravel(), minlength=classes)
        shared = np.bincount(true[said == true], minlength=classes)
        np.divide(2.0 * shared[1:], sizes[1:], out=scores[row], where=sizes[1:] > 0)
    known = np.isfinite(scores)
    return np.where(
        known.any(axis=1), np.where(known, scores, 0.0).sum(axis=1) / np.maximum(known.sum(axis=1), 1), np.nan
    )
