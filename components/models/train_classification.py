"""Training of CT-Scroll on labelled scans."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from components.errors import StateError
from components.models.classification import ClassificationModule
from components.models.ct_scroll import CTScroll, CTScrollConfig
from components.models.description import InputContract, ModelDescription
from components.models.findings_loss import positive_weights
from components.models.fit import OnEpoch, batches, fit, seeded
from components.models.labeled import LabeledScan
from components.models.published_weights import load_imagenet
from components.models.scans import ScanDataset
from components.models.starting_weights import load_start
from components.models.training_plan import ClassificationPlan


def train_classification(
    scans: Sequence[LabeledScan],
    plan: ClassificationPlan,
    names: Sequence[str],
    *,
    checkpoints: Path,
    start: Path | None = None,
    on_epoch: OnEpoch | None = None,
) -> tuple[CTScroll, dict[str, list[float]]]:
    """A trained network and its loss curve.

    Args:
        scans: of training patients only, all with the same findings.
        plan: see ``ClassificationPlan``.
        names: of the findings, in the order of ``LabeledScan.findings``.
        checkpoints: folder of this very run (the caller names it by inputs and parameters).
        start: the file that ``plan.start`` or ``plan.imagenet`` names.
        on_epoch: called with (step, epoch, loss).

    Raises ``StateError`` without scans.
    """
    if not scans:
        raise StateError(expected="training scans with findings", got="none", hint="importing labels")
    findings = np.stack([scan.findings for scan in scans])
    network = seeded(lambda: CTScroll(scroll_config(plan, findings.shape[1])), plan.seed)
    if start is not None and plan.imagenet:
        load_imagenet(network, start)
    elif start is not None:
        load_start(start, network, names)
    loader = batches(ScanDataset(scans, plan), batch_size=plan.batch_size, workers=plan.workers)
    module = ClassificationModule(
        network,
        positive_l=torch.from_numpy(positive_weights(findings, plan.positive_weight_cap)),
        rate=plan.learning_rate,
        weight_decay=plan.weight_decay,
        steps=plan.epochs * len(loader),
    )
    curve = fit(
        module,
        loader,
        name="classifier",
        epochs=plan.epochs,
        seed=plan.seed,
        checkpoint=checkpoints / "classifier.ckpt",
        precision=plan.used_precision,
        on_epoch=on_epoch,
    )
    return network.cpu(), {"classifier": curve}


def scroll_config(plan: ClassificationPlan, labels: int) -> CTScrollConfig:
    """The network that a plan describes."""
    return CTScrollConfig(
        labels=labels,
        slices_per_token=plan.slices_per_token,
        widths=plan.widths,
        max_pool=plan.max_pool,
        embedding=plan.embedding,
        heads=plan.heads,
        window=plan.window,
        token_dropout=plan.token_dropout,
        attention_dropout=plan.attention_dropout,
        classifier_dropout=plan.classifier_dropout,
    )


def describe(
    network: CTScroll,
    plan: ClassificationPlan,
    findings: Sequence[str],
    spacing_mm: tuple[float, float, float],
) -> ModelDescription:
    """What the package says about a trained network, but for its training."""
    return ModelDescription(
        task="classification",
        architecture=dataclasses.asdict(network.config),
        input=InputContract(
            spacing_mm=spacing_mm, window_hu=plan.window_hu, shift=plan.shift, shape=plan.shape
        ),
        label_names=tuple(findings),
    )
