"""Networks for the inference benchmark: trained briefly on phantoms, so that their masks are as sure as real ones."""

from __future__ import annotations

import copy
import dataclasses
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from components.cohort.structures import HEART_STRUCTURES
from components.models.description import ModelDescription
from components.models.fit import batches, fit, seeded
from components.models.labeled import LabeledFrame, in_memory, sample_foreground
from components.models.patches import PatchDataset
from components.models.segmentation import SegmentationModule
from components.models.segmentation_predictor import SegmentationPredictor
from components.models.train_segmentation import describe
from components.models.training_plan import Precision, SegmentationPlan
from components.models.unet import UNet
from components.phantom.cardiac import CardiacFrame, cardiac_case
from components.phantom.scanner import SCANNERS
from pipelines.progress import say

Shape = tuple[int, int, int]


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A network and the grid it lives on.

    Args:
        plan: of its training; the seed is the benchmark's.
        window: voxels along (z, y, x) at inference.
        shape, spacing_mm: of the training phantoms.
        patients: how many of them, one phase each.
    """

    plan: SegmentationPlan
    window: Shape
    shape: Shape
    spacing_mm: float
    patients: int


@dataclass(frozen=True, kw_only=True, eq=False)
class Trained:
    """A network, what its package would say, and how long its training took."""

    network: nn.Module
    description: ModelDescription
    seconds: float

    def predictor(self, precision: Precision) -> SegmentationPredictor:
        return SegmentationPredictor(
            network=self.network,
            description=self.description,
            device=torch.device("cpu"),
            precision=precision,
        )

    def copy(self) -> nn.Module:
        """The same weights, for another memory format."""
        return copy.deepcopy(self.network)

    @property
    def parameters(self) -> int:
        return sum(p.numel() for p in self.network.parameters())


def patient(
    seed: int, number: int, *, shape: Shape, spacing_mm: float, phases_percent: tuple[float, ...]
) -> tuple[CardiacFrame, ...]:
    """Frames of one human phantom; every number is another patient."""
    drawn = int(np.random.SeedSequence([seed, number]).generate_state(1)[0])
    case = cardiac_case(
        seed=drawn, species="human", scanner=SCANNERS["reference"], phases_percent=phases_percent,
        shape=shape, spacing_mm=(spacing_mm, spacing_mm, spacing_mm),
    )  # fmt: skip
    return case.frames


def train(recipe: Recipe, seed: int) -> Trained:
    """Train from ``seed`` on patients that no test draws (numbers from 1000)."""
    phases = np.linspace(0.0, 90.0, recipe.patients)
    frames = [
        frame
        for number, phase in enumerate(phases, start=1000)
        for frame in patient(
            seed, number, shape=recipe.shape, spacing_mm=recipe.spacing_mm, phases_percent=(float(phase),)
        )
    ]
    plan = dataclasses.replace(recipe.plan, seed=seed)
    start = time.perf_counter()
    network, loss = _fitted(_labeled(frames), plan)
    seconds = time.perf_counter() - start
    say(f"trained in {seconds:.0f} s, loss {loss:.3f}")
    spacing = (recipe.spacing_mm, recipe.spacing_mm, recipe.spacing_mm)
    said = describe(network, plan, HEART_STRUCTURES, spacing)
    contract = dataclasses.replace(said.input, shape=recipe.window)
    return Trained(
        network=network.eval(), description=dataclasses.replace(said, input=contract), seconds=seconds
    )


def _fitted(frames: Sequence[LabeledFrame], plan: SegmentationPlan) -> tuple[UNet, float]:
    """The trained network and its last loss."""
    config = plan.network(len(HEART_STRUCTURES))
    network = seeded(lambda: UNet(config), plan.seed)
    length = plan.steps_per_epoch * plan.batch_size
    data = PatchDataset(frames, plan, expert_share=None, length=length)
    module = SegmentationModule(
        network, rate=plan.learning_rate, weight_decay=plan.weight_decay,
        steps=plan.epochs * plan.steps_per_epoch,
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        losses = fit(
            module, batches(data, batch_size=plan.batch_size), name="network of the bench",
            epochs=plan.epochs, seed=plan.seed, checkpoint=Path(folder) / "last.ckpt",
        )  # fmt: skip
    return network, losses[-1]


def _labeled(frames: Sequence[CardiacFrame]) -> list[LabeledFrame]:
    return [
        LabeledFrame(
            frame_id=f"{number}",
            patient_id=f"{number}",
            provenance="expert",
            shape=frame.volume.geometry.shape,
            read_hu=in_memory(frame.volume.voxels_hu),
            read_labels=in_memory(frame.labels.labels),
            foreground=sample_foreground(frame.labels.labels, np.random.default_rng(number)),
        )
        for number, frame in enumerate(frames)
    ]
