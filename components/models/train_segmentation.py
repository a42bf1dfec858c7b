"""Self-training of the segmenter: pseudo-labels → M_1 → relabel → … → M_K → fine-tune on experts.

After Rickmann et al., FIMH 2025 (arXiv 2505.09564): a student learns from the teacher's labels of every frame, labels
them again, and the next student learns from these. Number of rounds, agreement, acceptance and shares are our choice.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from components.errors import StateError
from components.models.acceptance import Judgement, held_out_experts, judge
from components.models.description import InputContract, ModelDescription
from components.models.fit import OnEpoch, batches, fit, seeded
from components.models.labeled import LabeledFrame
from components.models.patches import PatchDataset
from components.models.relabel import label_set_sha256, relabel
from components.models.segmentation import SegmentationModule
from components.models.training_plan import SegmentationPlan
from components.models.unet import UNet


class RoundLog(Protocol):
    """Who keeps a record of the rounds, an MLflow run for each say."""

    def begin(self, step: str, facts: Mapping[str, str]) -> None:
        """A step begins; ``facts`` names its label set by hash."""
        ...

    def end(self, step: str, facts: Mapping[str, Any]) -> None:
        """A step has ended: what it measured, and whether it was ``accepted``."""
        ...


class Trained(NamedTuple):
    """A network, the loss curve of each step, and what each step says of itself."""

    network: UNet
    curves: dict[str, list[float]]
    rounds: list[dict[str, Any]]


def train_segmentation(
    frames: Sequence[LabeledFrame],
    structures: int,
    plan: SegmentationPlan,
    *,
    checkpoints: Path,
    on_epoch: OnEpoch | None = None,
    log: RoundLog | None = None,
) -> Trained:
    """The student of the last accepted round, tuned on the experts' labels.

    Rounds stop at ``plan.rounds``, when a round changes hardly any label, and when the held-out experts reject one:
    then the student before it is kept. With nothing but expert labels (or none) it is one run.

    Args:
        frames: of training patients only; labels of 255 are ignored.
        structures: classes without background.
        plan: see ``SegmentationPlan``.
        checkpoints: folder of this very run (the caller names it by inputs and parameters): a killed run goes on
            from its last epoch, and ends with the same weights.
        on_epoch: called with (step, epoch, loss).

    Raises ``StateError`` without any label.
    """
    if not frames:
        raise StateError(
            expected="labelled frames of training patients",
            got="none",
            hint="running pseudo-label, or importing expert labels",
        )
    judging, teaching = held_out_experts(frames, plan)
    run = _Run(
        structures=structures, plan=plan, checkpoints=checkpoints, on_epoch=on_epoch, log=log, judging=judging
    )
    if all(frame.provenance == "expert" for frame in teaching):
        student = run.step("experts", teaching, epochs=plan.epochs + plan.fine_tune_epochs)
        run.close(accepted=True)
    else:
        student = _rounds(run, teaching)
        if plan.fine_tune_epochs and any(frame.provenance == "expert" for frame in student.frames):
            student = run.step(
                "fine-tune", student.frames, epochs=plan.fine_tune_epochs, start=student.network
            )
            run.close(accepted=True)
    return Trained(student.network.cpu(), run.curves, run.rounds)


class _Student(NamedTuple):
    """A network, the frames that it learned from, and what the held-out experts say of it."""

    network: UNet
    frames: Sequence[LabeledFrame]
    judgement: Judgement


def _rounds(run: _Run, teaching: Sequence[LabeledFrame]) -> _Student:
    """The student of the last accepted round."""
    plan = run.plan
    student = run.step("student-1", teaching, epochs=plan.epochs)
    run.close(accepted=True)
    for number in range(2, plan.rounds + 1):
        again = relabel(student.network, teaching, student.frames, plan, run.checkpoints / f"labels-{number}")
        if again.changed < plan.settled or not again.frames:
            run.rounds[-1]["stopped"] = f"relabelling changes {again.changed:.4f} of the labels"
            break
        following = run.step(f"student-{number}", again.frames, epochs=plan.epochs)
        rejected = following.judgement.worse_than(student.judgement, plan.tolerance)
        run.close(accepted=not rejected, changed=again.changed, ignored=again.ignored)
        if rejected:
            run.rounds[-1]["stopped"] = "rejected by the held-out experts"
            break
        student = following
    return student


@dataclass(kw_only=True)
class _Run:
    """The steps of one training, in their order."""

    structures: int
    plan: SegmentationPlan
    checkpoints: Path
    on_epoch: OnEpoch | None
    log: RoundLog | None
    judging: Sequence[LabeledFrame]
    curves: dict[str, list[float]] = field(default_factory=dict)
    rounds: list[dict[str, Any]] = field(default_factory=list)

    def step(
        self, name: str, frames: Sequence[LabeledFrame], *, epochs: int, start: UNet | None = None
    ) -> _Student:
        """Train a network, a new one unless it goes on from ``start``, and judge it."""
        plan, number = self.plan, len(self.curves)
        facts = {"step": name, "label_set_sha256": label_set_sha256(frames), "frames": len(frames)}
        self.rounds.append(facts)
        if self.log is not None:
            self.log.begin(name, {"label_set_sha256": str(facts["label_set_sha256"])})
        network = (
            start if start is not None else seeded(lambda: UNet(plan.network(self.structures)), plan.seed)
        )
        data = PatchDataset(
            frames,
            plan,
            expert_share=None if start is None else plan.expert_share,
            length=plan.steps_per_epoch * plan.batch_size,
            stream=number,
        )
        module = SegmentationModule(
            network,
            rate=plan.learning_rate if start is None else plan.fine_tune_rate,
            weight_decay=plan.weight_decay,
            steps=epochs * plan.steps_per_epoch,
        )
        self.curves[name] = fit(
            module,
            batches(data, batch_size=plan.batch_size, workers=plan.workers),
            name=name,
            epochs=epochs,
            seed=plan.seed,
            checkpoint=self.checkpoints / f"{number}-{name}.ckpt",
            precision=plan.precision,
            on_epoch=self.on_epoch,
        )
        return _Student(network, frames, self._judged(network))

    def close(self, *, accepted: bool, **measured: float) -> None:
        """Record what the last step measured, and whether its student is kept."""
        self.rounds[-1] |= {
            "accepted": accepted,
            **{name: round(value, 6) for name, value in measured.items()},
        }
        if self.log is not None:
            self.log.end(str(self.rounds[-1]["step"]), self.rounds[-1])

    def _judged(self, network: UNet) -> Judgement:
        judgement = judge(network, self.judging, self.plan)
        if judgement.dice:
            self.rounds[-1] |= {
                "held_out_dice": round(judgement.mean, 6),
                "held_out_patients": len(judgement.dice),
            }
        return judgement


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
