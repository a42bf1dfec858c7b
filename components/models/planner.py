"""From the fingerprint of a training set to a plan within a memory and a time budget. Torch-free.

The order of decisions is nnU-Net's (Isensee et al. 2021): as large a patch as the memory holds for a batch of
two, then depth, then batch; the numbers marked "our choice" are ours.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from dataclasses import dataclass

from components.errors import ParameterError
from components.models.fingerprint import Fingerprint, Spacing
from components.models.labeled import Shape
from components.models.step_cost import sizes_of
from components.models.training_plan import SegmentationPlan

# Peak memory in bytes = base + per value of ``step_cost.Sizes``, fitted by least squares to the measured peaks of
# fresh processes on a CPU: seven networks of 0.6 to 2.7 GB, all within 11 %. bfloat16 means mixed precision. In
# float32 the convolutions of a processor with AVX-512 keep copies that one with AVX2 does not (3.6 bytes per
# activation there): the larger figure holds, so that on AVX2 up to 1.5 times too much is predicted, never too little.
# In bfloat16 one with AMX takes 3.9, one with AVX-512 alone 2.8.
# The base is Python, torch and Lightning; a GPU's memory has another, and was not measured.
_BASE_GB = 0.5
_BYTES_PER_PARAMETER = 24.0  # weight, gradient, two moments, average, a copy in bfloat16
_BYTES_PER_ACTIVATION = {"bfloat16": 3.9, "float32": 6.5}
_BYTES_PER_LOGIT = {"bfloat16": 19.5, "float32": 17.0}

_NETWORKS = (
    (32, 1),
    (24, 1),
    (16, 1),
    (32, 2),
    (24, 2),
    (16, 2),
)  # first width, stem stride; costliest first
_ENOUGH_STEPS = 2000  # our choice: below that a smaller network learns more in the same time
_VISITS = 500  # of each frame, at most; our choice
_LONGEST_SIDE, _WIDEST, _DEEPEST = 128, 256, 5
_LARGEST_BATCH = 8
_BATCH_SHARE = 0.05  # of all voxels, at most (nnU-Net)
_NETWORK_SHARE = 0.8  # of the time; the rest is for relabelling, data and checkpoints; our choice


@dataclass(frozen=True, kw_only=True)
class Budget:
    """Memory and time for the whole training, and how fast the machine is.

    Args:
        memory_gb: of the training process, or of each device.
        hours: for all steps.
        operations_per_second: measured, see ``step_cost``.
        mixed: the machine computes in bfloat16.
    """

    memory_gb: float
    hours: float
    operations_per_second: float
    mixed: bool


@dataclass(frozen=True, kw_only=True)
class Planned:
    """A plan, what it will cost, and the spacing that would suit its patch."""

    plan: SegmentationPlan
    peak_gb: float
    step_seconds: float
    steps: int
    spacing_mm: Spacing


def plan_training(found: Fingerprint, budget: Budget, base: SegmentationPlan) -> Planned:
    """``base`` with window, network, patch, batch and steps for ``found``; the rest stays.

    Raises ``ParameterError`` when not even the smallest network fits into the memory.
    """
    structures = max(found.structure_ml)
    base = dataclasses.replace(base, window_hu=window_of(found))
    fitting = [plan for plan in _fitting(found, budget, base, structures) if plan is not None]
    if not fitting:
        raise ParameterError(
            expected="memory for the smallest network",
            got=f"{budget.memory_gb:g} GB",
            hint="a larger --memory-gb",
        )
    affordable = [(plan, _steps(plan, structures, budget, found)) for plan in fitting]
    enough = [pair for pair in affordable if pair[1] >= _ENOUGH_STEPS]
    plan, steps = enough[0] if enough else affordable[-1]
    plan = _with_epochs(plan, steps)
    return Planned(
        plan=plan,
        peak_gb=peak_gb(plan, structures, mixed=budget.mixed),
        step_seconds=_step_seconds(plan, structures, budget),
        steps=total_steps(plan),
        spacing_mm=suited_spacing(found, plan.patch),
    )


def peak_gb(plan: SegmentationPlan, structures: int, *, mixed: bool) -> float:
    """Predicted peak memory of a training process in GB; see above for how near it is."""
    sizes, kind = sizes_of(plan, structures), "bfloat16" if mixed else "float32"
    held = _BYTES_PER_ACTIVATION[kind] * sizes.activations + _BYTES_PER_LOGIT[kind] * sizes.logits
    return _BASE_GB + (held + _BYTES_PER_PARAMETER * sizes.parameters) / 1e9


def window_of(found: Fingerprint) -> tuple[float, float]:
    """The structures' 0.5 to 99.5 % (nnU-Net) and a tenth of that on either side, in steps of 10 HU."""
    low, _, high = found.foreground_hu
    margin = 0.1 * max(high - low, 100.0)
    return 10.0 * math.floor((low - margin) / 10), 10.0 * math.ceil((high + margin) / 10)


def suited_spacing(found: Fingerprint, patch: Shape) -> Spacing:
    """A spacing at which the structures' box fills four fifths of ``patch``, unless today's is near enough.

    Near enough: the box fits into the patch and fills half of it along some axis. In steps of 0.1 mm.
    """
    filled = max(box / side for box, side in zip(found.extent, patch, strict=True))
    if 0.5 <= filled <= 1.0:
        return found.spacing_mm
    z, y, x = (max(0.1, round(mm * filled / 0.8, 1)) for mm in found.spacing_mm)
    return z, y, x


def total_steps(plan: SegmentationPlan) -> int:
    """Of all rounds and the fine-tuning."""
    return (plan.rounds * plan.epochs + plan.fine_tune_epochs) * plan.steps_per_epoch


def _fitting(
    found: Fingerprint, budget: Budget, base: SegmentationPlan, structures: int
) -> Iterator[SegmentationPlan | None]:
    for width, stem_stride in _NETWORKS:
        for depth in range(_DEEPEST, 1, -1):
            widths = tuple(min(_WIDEST, width * 2**level) for level in range(depth))
            stride = stem_stride * 2 ** (depth - 1)
            if 4 * stride <= max(
                4 * stem_stride * 2, min(found.shape)
            ):  # 4 voxels or more at the deepest level
                yield _patched(found, budget, base, structures, widths, stem_stride)
                break


def _patched(
    found: Fingerprint,
    budget: Budget,
    base: SegmentationPlan,
    structures: int,
    widths: tuple[int, ...],
    stem_stride: int,
) -> SegmentationPlan | None:
    """The largest patch for a batch of two, then the largest batch; ``None`` when nothing fits."""
    stride = stem_stride * 2 ** (len(widths) - 1)
    smallest, sides = 2 * stride, []
    for side in found.shape:
        longest = max(smallest, _LONGEST_SIDE // stride * stride)
        sides.append(min(max(smallest, math.ceil(side / stride) * stride), longest))

    def made(batch: int) -> SegmentationPlan:
        z, y, x = sides
        changes = {"patch": (z, y, x), "widths": widths, "stem_stride": stem_stride, "batch_size": batch}
        return dataclasses.replace(base, **changes)  # type: ignore[arg-type]

    def fits(plan: SegmentationPlan) -> bool:
        share = dataclasses.replace(plan, batch_size=plan.batch_size // plan.devices, devices=1)
        return peak_gb(share, structures, mixed=budget.mixed) <= budget.memory_gb

    batch = 2 * base.devices
    while not fits(made(batch)):
        axis = max(range(3), key=lambda a: (sides[a] > smallest, sides[a] / found.shape[a]))
        if sides[axis] <= smallest:
            return None
        sides[axis] -= stride
    all_voxels = found.frames * math.prod(found.shape)
    while (
        batch + base.devices <= _LARGEST_BATCH * base.devices
        and fits(made(batch + base.devices))
        and (batch + base.devices) * math.prod(sides) <= _BATCH_SHARE * all_voxels
    ):
        batch += base.devices
    return made(batch)


def _steps(plan: SegmentationPlan, structures: int, budget: Budget, found: Fingerprint) -> int:
    """What the time allows, and no more than ``_VISITS`` of each frame."""
    allowed = int(_NETWORK_SHARE * budget.hours * 3600 / _step_seconds(plan, structures, budget))
    return max(1, min(allowed, math.ceil(_VISITS * found.frames / plan.batch_size)))


def _step_seconds(plan: SegmentationPlan, structures: int, budget: Budget) -> float:
    return sizes_of(plan, structures).operations / (plan.devices * budget.operations_per_second)


def _with_epochs(plan: SegmentationPlan, steps: int) -> SegmentationPlan:
    """``steps`` as epochs (the unit of checkpoints): a quarter for the fine-tuning, the rest for the rounds."""
    per_epoch = max(1, min(250, steps // 40))
    epochs = max(plan.rounds + 1, steps // per_epoch)
    fine_tune = max(1, epochs // 4)
    return dataclasses.replace(
        plan,
        steps_per_epoch=per_epoch,
        epochs=max(1, (epochs - fine_tune) // plan.rounds),
        fine_tune_epochs=fine_tune,
    )
