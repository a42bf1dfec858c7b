"""Self-training of the segmenter: pseudo-labels → M_1 → relabel → … → M_K → fine-tune on experts.

After Rickmann et al., FIMH 2025 (arXiv 2505.09564): a student learns from the teacher's labels of every frame, labels
them again, and the next student learns from these. Number of rounds, agreement, acceptance and shares are our choice.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from components.errors import StateError
from components.models.acceptance import held_out_experts
from components.models.description import InputContract, ModelDescription
from components.models.fit import OnEpoch
from components.models.labeled import LabeledFrame
from components.models.relabel import relabel
from components.models.training_plan import SegmentationPlan
from components.models.training_steps import RoundLog, Student, TrainingSteps
from components.models.unet import UNet


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
    pool: Sequence[LabeledFrame] = (),
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
        pool: further frames of training patients, without labels, for ``plan.pretrain_epochs``.
        on_epoch: called with (step, epoch, loss).
        log: keeps a record of each step.

    Raises ``StateError`` without any label.
    """
    if not frames:
        raise StateError(
            expected="labelled frames of training patients",
            got="none",
            hint="running pseudo-label, or importing expert labels",
        )
    judging, teaching = held_out_experts(frames, plan)
    run = TrainingSteps(
        structures=structures, plan=plan, checkpoints=checkpoints, on_epoch=on_epoch, log=log, judging=judging
    )
    if plan.pretrain_epochs:
        judges = {frame.patient_id for frame in judging}  # not even their images are seen before they judge
        run.pretrain([*teaching, *(frame for frame in pool if frame.patient_id not in judges)])
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


def fine_tune(
    network: UNet,
    frames: Sequence[LabeledFrame],
    structures: int,
    plan: SegmentationPlan,
    *,
    checkpoints: Path,
    on_epoch: OnEpoch | None = None,
) -> UNet:
    """A copy of ``network`` that goes on for ``plan.fine_tune_epochs``; see ``train_segmentation``.

    Args:
        frames: experts' labels make up ``plan.expert_share`` of the patches, others the rest under their weights.
    """
    run = TrainingSteps(
        structures=structures, plan=plan, checkpoints=checkpoints, on_epoch=on_epoch, log=None, judging=()
    )
    return run.step("fine-tune", frames, epochs=plan.fine_tune_epochs, start=network).network.cpu()


def _rounds(run: TrainingSteps, teaching: Sequence[LabeledFrame]) -> Student:
    """The student of the last accepted round."""
    plan = run.plan
    measured: dict[str, float | str] = {}
    student = run.step("student-1", teaching, epochs=plan.epochs)
    for number in range(2, plan.rounds + 1):
        again = relabel(student.network, teaching, student.frames, plan, run.checkpoints / f"labels-{number}")
        if again.changed < plan.settled or not again.frames:
            measured |= {"stopped": f"relabelling changes {again.changed:.4f} of the labels"}
            break
        run.close(accepted=True, **measured)
        following = run.step(f"student-{number}", again.frames, epochs=plan.epochs)
        measured = {"changed": round(again.changed, 6), "ignored": round(again.ignored, 6)}
        if following.judgement.worse_than(student.judgement, plan.tolerance):
            run.close(accepted=False, stopped="rejected by the held-out experts", **measured)
            return student
        student = following
    run.close(accepted=True, **measured)
    return student


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
