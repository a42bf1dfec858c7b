"""Job: look at the training set and plan its training within a memory and a time budget.

Writes a file that a person can read, change and apply; nothing is trained.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.cohort.task import Task
from components.errors import ParameterError
from components.models.fingerprint import Fingerprint, fingerprint
from components.models.planner import Budget, Planned, plan_training
from pipelines.progress import say
from pipelines.workspace import Workspace

if TYPE_CHECKING:
    from components.models.training_plan import SegmentationPlan


@dataclass(frozen=True, kw_only=True)
class PlanReport:
    """What was seen, what was planned, and the file that says it."""

    found: Fingerprint
    budget: Budget
    planned: Planned
    structures: tuple[str, ...]
    file: Path


def plan(
    workspace: Workspace, task: Task, *, memory_gb: float, hours: float, out: Path | None = None
) -> PlanReport:
    """Write the plan for ``task`` to ``out`` (``.ctloop/plan.yaml`` unless given).

    Raises ``ParameterError`` for classification, whose network is fixed, and for an impossible budget.
    """
    from pipelines.params import load_section
    from pipelines.train import SegmentationTrainParams
    from pipelines.training_set import segmentation_set

    if task != "segmentation":
        raise ParameterError(
            expected="the task segmentation",
            got=task,
            hint="train.classification in params.yaml: its network and grid are the paper's",
        )
    if not (memory_gb > 0 and hours > 0):
        raise ParameterError(
            expected="positive --memory-gb and --hours", got=f"{memory_gb:g}, {hours:g}", hint="8 and 2"
        )
    params = load_section(SegmentationTrainParams, workspace.params, "train", "segmentation")
    data = segmentation_set(workspace, params.provenances, seed=params.plan.seed, cache_mb=0)
    say(f"plan: reading {len(data.examples)} frames of {data.patients()} patients")
    found = fingerprint(data.examples, data.spacing_mm)
    budget = _budget(memory_gb, hours, params.plan, len(data.label_names))
    report = PlanReport(
        found=found,
        budget=budget,
        planned=plan_training(found, budget, params.plan),
        structures=data.label_names,
        file=out or workspace.state / "plan.yaml",
    )
    report.file.parent.mkdir(parents=True, exist_ok=True)
    report.file.write_text(explained(report))
    return report


def explained(report: PlanReport) -> str:
    """The plan as values over params.yaml, each with its reason."""
    found, budget, planned = report.found, report.budget, report.planned
    plan, spacing = planned.plan, _list(found.spacing_mm)
    low, middle, high = found.foreground_hu
    ml = ", ".join(
        f"{name} {found.structure_ml.get(i, 0.0):.1f}" for i, name in enumerate(report.structures, 1)
    )
    hours = planned.steps * planned.step_seconds / 3600
    filled = max(box / side for box, side in zip(found.extent, plan.patch, strict=True))
    wanted = _list(planned.spacing_mm)
    fits = planned.spacing_mm == found.spacing_mm
    suits = (
        "suits this patch"
        if fits
        else f"would suit this patch better: the box fills 4/5 of it, not {filled:.0%}"
    )
    return f"""\
# A plan for {found.frames} frames of {found.patients} patients,
# median {_list(found.shape)} voxels of {spacing} mm along (z, y, x).
# Structures, median ml: {ml}.
# prepare.segmentation.spacing_mm: {wanted} {suits}.
# Change what you like, then: ctloop plan --from {report.file}
train:
  segmentation:
    plan:
      # inside the structures 0.5, 50 and 99.5 % lie at {low:g}, {middle:g} and {high:g} HU; a tenth of margin
      window_hu: {_list(plan.window_hu)}
      # the box about all structures is {_list(found.extent)} voxels; multiples of {plan.network(1).stride}
      patch: {_list(plan.patch)}
      # as deep as leaves 4 voxels; as wide as still takes enough steps in the time
      widths: {_list(plan.widths)}
      stem_stride: {plan.stem_stride}
      # predicted peak memory of the training: {planned.peak_gb:.1f} GB of {budget.memory_gb:g}; scans held in memory
      # (cache_mb) and workers come on top
      batch_size: {plan.batch_size}
      # {planned.steps} steps, predicted {planned.step_seconds:.2f} s each here: {hours:.2f} h of {budget.hours:g}
      steps_per_epoch: {plan.steps_per_epoch}
      epochs: {plan.epochs}
      fine_tune_epochs: {plan.fine_tune_epochs}
"""


def facts(report: PlanReport) -> dict[str, Any]:
    """For ``--json``."""
    import dataclasses

    plan = dataclasses.asdict(report.planned.plan)
    names = ("window_hu", "patch", "widths", "stem_stride", "batch_size", "steps_per_epoch", "epochs",
             "fine_tune_epochs")  # fmt: skip
    return {
        "fingerprint": dataclasses.asdict(report.found),
        "plan": {name: plan[name] for name in names},
        "predicted": {
            "peak_gb": round(report.planned.peak_gb, 3),
            "step_seconds": round(report.planned.step_seconds, 4),
            "steps": report.planned.steps,
        },
        "spacing_mm": report.planned.spacing_mm,
        "file": str(report.file),
    }


def _budget(memory_gb: float, hours: float, base: SegmentationPlan, structures: int) -> Budget:
    """The machine's speed is measured with a few steps of today's plan."""
    from components.models.step_cost import measured_step_seconds, sizes_of
    from components.models.training_run import native_precision

    say("plan: timing a few training steps")
    speed = sizes_of(base, structures).operations / measured_step_seconds(base, structures)
    mixed = native_precision(base.precision, base.devices) != "32-true"
    return Budget(memory_gb=memory_gb, hours=hours, operations_per_second=speed, mixed=mixed)


def _list(values: Sequence[float]) -> str:
    return "[" + ", ".join(str(round(v, 3)) for v in values) + "]"
