"""Training that goes on from the model in use: new labels, and replay of what it learned from before.

A network that learns from new labels alone forgets the others (McCloskey & Cohen 1989); a share of what it knows,
shown again beside them, keeps it (experience replay, Rolnick et al., NeurIPS 2019).
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
import torch
from torch.utils.data import Dataset

from components.errors import StateError
from components.models.classification import ClassificationModule
from components.models.classifiers import Classifier
from components.models.findings_loss import positive_weights
from components.models.fit import OnEpoch, batches, fit
from components.models.labeled import LabeledFrame, LabeledScan
from components.models.patches import PatchDataset
from components.models.scans import ScanDataset
from components.models.segmentation import SegmentationModule
from components.models.training_plan import ClassificationPlan, IncrementalParams, SegmentationPlan
from components.models.unet import UNet

STEP = "go-on"
Example = TypeVar("Example", LabeledFrame, LabeledScan)


class _Numbered(Protocol):
    def __len__(self) -> int: ...

    def __getitem__(self, number: int) -> Any: ...


class Replay(Dataset[Any]):
    """``[number]`` → an item of ``new``, or in a ``share`` of the numbers, drawn by ``seed``, of ``old``."""

    def __init__(self, new: _Numbered, old: _Numbered, *, share: float, length: int, seed: int) -> None:
        self.new, self.old, self.share, self.length, self.seed = new, old, share, length, seed

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, number: int) -> Any:
        replayed = np.random.default_rng([self.seed, 3, number]).random() < self.share
        return (self.old if replayed else self.new)[number]


def continue_segmentation(
    network: UNet,
    frames: Sequence[LabeledFrame],
    plan: SegmentationPlan,
    params: IncrementalParams,
    *,
    known: Collection[str],
    checkpoints: Path,
    on_epoch: OnEpoch | None = None,
) -> tuple[UNet, dict[str, list[float]]]:
    """A copy of ``network`` after ``params.epochs`` of ``plan.steps_per_epoch`` steps, and its loss curve.

    Args:
        frames: of training patients only.
        known: frame_ids whose label the network was trained on.
        checkpoints: folder of this very run.

    Raises ``StateError`` without frames.
    """
    own = copy.deepcopy(network)
    length = plan.steps_per_epoch * plan.batch_size
    new, old = _parts(frames, [frame.frame_id in known for frame in frames])
    sets = [PatchDataset(part, plan, expert_share=None, length=length) for part in (new, old) if part]
    module = SegmentationModule(
        own, rate=params.learning_rate, weight_decay=plan.weight_decay,
        steps=params.epochs * plan.steps_per_epoch, recipe=plan.recipe,
    )  # fmt: skip
    curve = fit(
        module,
        batches(_together(sets, params, length, plan.seed), batch_size=plan.batch_size, workers=plan.workers),
        name=STEP,
        epochs=params.epochs,
        seed=plan.seed,
        checkpoint=checkpoints / f"{STEP}.ckpt",
        precision=plan.used_precision,
        devices=plan.devices,
        on_epoch=on_epoch,
    )
    return own.cpu(), {STEP: curve}


def continue_classification(
    network: Classifier,
    scans: Sequence[LabeledScan],
    plan: ClassificationPlan,
    params: IncrementalParams,
    *,
    known: Collection[str],
    checkpoints: Path,
    on_epoch: OnEpoch | None = None,
) -> tuple[Classifier, dict[str, list[float]]]:
    """The same for a classifier; an epoch shows as many scans as one of the plan does. ``known``: case_ids."""
    own = copy.deepcopy(network)
    new, old = _parts(scans, [scan.case_id in known for scan in scans])
    length = len(ScanDataset(scans, plan))
    sets = [ScanDataset(part, plan) for part in (new, old) if part]
    loader = batches(
        _together(sets, params, length, plan.seed), batch_size=plan.batch_size, workers=plan.workers
    )
    findings, patients = np.stack([scan.findings for scan in scans]), [scan.patient_id for scan in scans]
    module = ClassificationModule(
        own,
        positive_l=torch.from_numpy(positive_weights(findings, patients, plan.positive_weight_cap)),
        rate=params.learning_rate,
        weight_decay=plan.weight_decay,
        steps=params.epochs * -(-len(loader) // plan.accumulate),
        ema=plan.ema,
    )
    curve = fit(
        module,
        loader,
        name=STEP,
        epochs=params.epochs,
        seed=plan.seed,
        checkpoint=checkpoints / f"{STEP}.ckpt",
        precision=plan.used_precision,
        devices=plan.devices,
        accumulate=plan.accumulate,
        on_epoch=on_epoch,
    )
    return own.cpu(), {STEP: curve}


def _parts(examples: Sequence[Example], known: Sequence[bool]) -> tuple[list[Example], list[Example]]:
    """(new, known before)."""
    if not examples:
        raise StateError(expected="labels of training patients", got="none", hint="importing labels")
    new = [example for example, old in zip(examples, known, strict=True) if not old]
    return new, [example for example, old in zip(examples, known, strict=True) if old]


def _together(sets: Sequence[_Numbered], params: IncrementalParams, length: int, seed: int) -> _Numbered:
    """Where nothing is new, or nothing was known, the one part alone."""
    both = (sets[0], sets[-1])
    return Replay(*both, share=params.replay if len(sets) == 2 else 0.0, length=length, seed=seed)
