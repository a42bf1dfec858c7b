"""Training of a classifier on labelled scans."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from components.errors import StateError
from components.models.backbone_pretraining import NAME as PRETRAINING
from components.models.backbone_pretraining import pretrain_backbone
from components.models.classification import ClassificationModule
from components.models.classifiers import Classifier, ClassifierConfig, build_classifier
from components.models.ct_scroll import CTScroll, CTScrollConfig
from components.models.description import InputContract, ModelDescription
from components.models.findings_loss import positive_weights
from components.models.fit import OnEpoch, batches, fit, seeded
from components.models.inflated_cnn import InflatedConfig
from components.models.labeled import LabeledScan, UnlabelledScan
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
    pool: Sequence[UnlabelledScan] = (),
    on_epoch: OnEpoch | None = None,
) -> tuple[Classifier, dict[str, list[float]]]:
    """A trained network and the loss curve of each step.

    Args:
        scans: of training patients only, all with the same findings; several of one patient count as one, both in
            what an epoch shows and in the weight of positives.
        plan: see ``ClassificationPlan``.
        names: of the findings, in the order of ``LabeledScan.findings``.
        checkpoints: folder of this very run (the caller names it by inputs and parameters).
        start: the file that ``plan.start`` or ``plan.imagenet`` names.
        pool: further scans of training patients, for ``plan.pretraining``.
        on_epoch: called with (step, epoch, loss).

    Raises ``StateError`` without scans.
    """
    if not scans:
        raise StateError(expected="training scans with findings", got="none", hint="importing labels")
    findings = np.stack([scan.findings for scan in scans])
    network = seeded(lambda: build_classifier(classifier_config(plan, findings.shape[1])), plan.seed)
    if start is not None:
        _begin_with(network, start, plan, names)
    curves: dict[str, list[float]] = {}
    if plan.pretraining.epochs:
        assert isinstance(network, CTScroll)  # the plan sees to it
        curves[PRETRAINING] = pretrain_backbone(
            network, [*scans, *pool], plan, checkpoints=checkpoints, on_epoch=on_epoch
        )
    loader = batches(ScanDataset(scans, plan), batch_size=plan.batch_size, workers=plan.workers)
    patients = [scan.patient_id for scan in scans]
    module = ClassificationModule(
        network,
        positive_l=torch.from_numpy(positive_weights(findings, patients, plan.positive_weight_cap)),
        rate=plan.learning_rate,
        weight_decay=plan.weight_decay,
        steps=plan.epochs * steps_per_epoch(scans, plan),
        ema=plan.ema,
    )
    curves["classifier"] = fit(
        module,
        loader,
        name="classifier",
        epochs=plan.epochs,
        seed=plan.seed,
        checkpoint=checkpoints / "classifier.ckpt",
        precision=plan.used_precision,
        devices=plan.devices,
        accumulate=plan.accumulate,
        on_epoch=on_epoch,
    )
    return network.cpu(), curves


def steps_per_epoch(scans: Sequence[LabeledScan], plan: ClassificationPlan) -> int:
    """Of the optimiser."""
    loader = batches(ScanDataset(scans, plan), batch_size=plan.batch_size)
    return -(-len(loader) // plan.accumulate)


def classifier_config(plan: ClassificationPlan, labels: int) -> ClassifierConfig:
    """The network that a plan describes: the values of the plan that have its names."""
    kind = InflatedConfig if plan.network == "inflated-cnn" else CTScrollConfig
    names = {field.name for field in dataclasses.fields(kind)} - {"labels", "kind"}
    own = {name: value for name, value in vars(plan).items() if name in names}
    return kind(labels=labels, **own)


def _begin_with(network: Classifier, file: Path, plan: ClassificationPlan, names: Sequence[str]) -> None:
    if not plan.imagenet:
        load_start(file, network, names)
    elif isinstance(network, CTScroll):
        load_imagenet(network, file)
    else:
        flat = CTScroll(CTScrollConfig(labels=1, widths=plan.widths, max_pool=plan.max_pool))
        load_imagenet(flat, file)
        network.start_from(flat.features)


def describe(
    network: Classifier,
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
