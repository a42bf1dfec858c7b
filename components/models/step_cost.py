"""What a training step costs: counted from the network's sizes, or measured.

Memory: parameters with their gradient, two moments and average, and what the backward pass needs of the
forward one; ``planner`` holds what a counted value costs in bytes.
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from math import prod
from multiprocessing import get_context
from pathlib import Path

from components.models.training_plan import SegmentationPlan

_KERNEL = 27  # taps of a 3 × 3 × 3 convolution
_BACKWARD = 3.0  # forward, gradient of the input, gradient of the weights


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """Of one training step: trunk activations and logits in values, parameters, floating-point operations."""

    activations: float
    logits: float
    parameters: float
    operations: float


def sizes_of(plan: SegmentationPlan, structures: int) -> Sizes:
    """Counted for a whole batch of ``plan``; convolutions only, since all else is small beside them."""
    widths, stem = plan.widths, plan.stem_stride
    voxels = [prod(plan.patch) / (stem * 2**level) ** 3 for level in range(len(widths))]
    convolutions = [(1, widths[0], voxels[0]), (widths[0], widths[0], voxels[0])]
    for (a, b), at in zip(pairwise(widths), voxels[1:], strict=True):
        convolutions += [(a, b, at), (b, b, at)]
    convolutions.append((widths[-1], widths[-1], voxels[-1]))
    for (a, _), at in zip(pairwise(widths), voxels, strict=False):
        convolutions.append((2 * a, a, at))
    lifts = [(b, a, at) for (a, b), at in zip(pairwise(widths), voxels, strict=False)]
    held = 2 * sum(out * at for _, out, at in convolutions) + sum(3 * a * at for _, a, at in lifts)
    heads = plan.heads * 2 * widths[0] * voxels[0]
    work = _KERNEL * sum(i * o * at for i, o, at in convolutions) + sum(i * o * at for i, o, at in lifts)
    work += plan.heads * widths[0] * (widths[0] + (structures + 1) * stem**3) * voxels[0]
    return Sizes(
        activations=plan.batch_size * (held + heads),
        logits=plan.batch_size * plan.heads * (structures + 1) * prod(plan.patch),
        parameters=_KERNEL * sum(i * o for i, o, _ in convolutions) + 8 * sum(i * o for i, o, _ in lifts),
        operations=2 * _BACKWARD * plan.batch_size * work,
    )


def measured_step_seconds(plan: SegmentationPlan, structures: int, *, steps: int = 2) -> float:
    """Of a training step in this process, after one that is not counted."""
    train_step = _stepper(plan, structures)
    train_step()
    start = time.perf_counter()
    for _ in range(steps):
        train_step()
    return (time.perf_counter() - start) / steps


def measured_peak_gb(plan: SegmentationPlan, structures: int) -> float:
    """Peak resident memory of a fresh process that takes two training steps on the processor, in GB."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_peak_gb, plan, structures).result()


def _peak_gb(plan: SegmentationPlan, structures: int) -> float:
    train_step = _stepper(plan, structures)
    for _ in range(2):
        train_step()
    return _high_water_gb()


def _high_water_gb() -> float:
    """Most resident memory of this process so far.

    Linux keeps ``ru_maxrss`` over an exec, so that a child starts with what its parent once held; VmHWM is its own.
    """
    status = Path("/proc/self/status")
    if status.is_file():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return float(line.split()[1]) * 1024.0 / 1e9
    unit = 1.0 if sys.platform == "darwin" else 1024.0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9


def _stepper(plan: SegmentationPlan, structures: int) -> Callable[[], None]:
    import torch

    from components.models.fit import seeded
    from components.models.segmentation import SegmentationModule
    from components.models.training_run import native_precision
    from components.models.unet import UNet

    network = seeded(lambda: UNet(plan.network(structures)), plan.seed)
    module = SegmentationModule(network, rate=1e-3, weight_decay=0.0, steps=10, recipe=plan.recipe).train()
    optimiser = module.configure_optimizers()["optimizer"]
    generator = torch.Generator().manual_seed(plan.seed)
    image = torch.rand((plan.batch_size, 1, *plan.patch), generator=generator)
    target = torch.randint(0, structures + 1, (plan.batch_size, *plan.patch), generator=generator).byte()
    weight = torch.ones(plan.batch_size, plan.heads)
    mixed = native_precision(plan.used_precision, plan.devices) == "bf16-mixed"

    def train_step() -> None:
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=mixed):
            loss = module.training_step((image, target, weight), 0)
        loss.backward()
        optimiser.step()
        optimiser.zero_grad()

    return train_step
