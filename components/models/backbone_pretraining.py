"""Self-supervised pretraining of a classifier's backbone on scans without findings: see ``vicreg``.

Batch norm computes its statistics over both views of all triplets of a step, also where ``frozen_statistics`` holds
for the classifier: a step of pretraining has triplets of many scans. What the views leave in the stored statistics is
of changed images, so at the end these are measured anew over the unchanged ones (Wu and Johnson 2021, arXiv
2105.07576): the classifier starts from them, and where they are frozen, it keeps them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning.pytorch as lightning
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import update_bn

from components.errors import StateError
from components.models.ct_scroll import CTScroll
from components.models.fit import OnEpoch, batches, fit, seeded
from components.models.optimiser import adamw
from components.models.patient_turns import PatientTurns
from components.models.slice_features import pooled_features
from components.models.training_plan import ClassificationPlan
from components.models.training_run import a_gpu_each
from components.models.triplet_views import Scans, TripletViews, plain_triplets
from components.models.vicreg import expander, of_all_processes, vicreg_loss

NAME = "pretrain"


class VicregModule(lightning.LightningModule):  # type: ignore[misc]
    """Trains ``backbone`` (see ``slice_backbone``) on batches of ``TripletViews``.

    Args:
        backbone: of the classifier, trained in place.
        expand: ``(n, f)`` → ``(n, d)``, trained with it.
        rate, weight_decay: of AdamW.
        steps: of the optimiser, in all.
        recompute: see ``CTScrollConfig``.
    """

    def __init__(
        self,
        backbone: nn.Sequential,
        expand: nn.Module,
        *,
        rate: float,
        weight_decay: float,
        steps: int,
        recompute: bool = False,
    ) -> None:
        super().__init__()
        self.backbone, self.expand = backbone, expand
        self.rate, self.weight_decay, self.steps, self.recompute = rate, weight_decay, steps, recompute

    def training_step(self, views_bpkshw: Tensor, _: int) -> Tensor:
        images = views_bpkshw.transpose(0, 1).flatten(0, 2)
        pooled = pooled_features(self.backbone, images, recompute=self.recompute)
        one, other = self.expand(pooled).chunk(2)
        return vicreg_loss(of_all_processes(one), of_all_processes(other))

    def configure_optimizers(self) -> dict[str, Any]:
        return adamw(self.parameters(), rate=self.rate, weight_decay=self.weight_decay, steps=self.steps)


def pretrain_backbone(
    network: CTScroll,
    scans: Scans,
    plan: ClassificationPlan,
    *,
    checkpoints: Path,
    on_epoch: OnEpoch | None = None,
) -> list[float]:
    """Train ``network.features`` in place, and nothing else of it; the mean loss of each epoch.

    A backbone that says the same of every image has a loss of ``VARIANCE`` or more.

    Args:
        scans: of training patients only.
        plan: its ``pretraining``, window, shape, seed, precision, devices and workers.
        checkpoints: folder of this very run.
        on_epoch: called with ("pretrain", epoch, loss).

    Raises ``StateError`` without scans.
    """
    if not scans:
        raise StateError(expected="scans to pretrain on", got="none", hint="pretraining: {epochs: 0}")
    how = plan.pretraining
    loader = batches(TripletViews(scans, plan), batch_size=how.batch_size, workers=plan.workers)
    losses = fit(
        VicregModule(
            network.features,
            seeded(lambda: expander(plan.widths[-1], how.expander), plan.seed),
            rate=how.learning_rate,
            weight_decay=how.weight_decay,
            steps=how.epochs * len(loader),
            recompute=plan.recompute,
        ),
        loader,
        name=NAME,
        epochs=how.epochs,
        seed=plan.seed,
        checkpoint=checkpoints / f"{NAME}.ckpt",
        precision=plan.used_precision,
        devices=plan.devices,
        on_epoch=on_epoch,
    )
    measure_statistics(network.features, scans, plan)
    return losses


def measure_statistics(backbone: nn.Sequential, scans: Scans, plan: ClassificationPlan) -> None:
    """Let batch norm store the mean statistics of unchanged triplets, as many at a time as a step of pretraining."""
    device = torch.device("cuda" if a_gpu_each(1) else "cpu")
    shown = [patient[0] for patient in PatientTurns(scans, plan.seed).patients]
    size = plan.pretraining.batch_size
    groups = (shown[at : at + size] for at in range(0, len(shown), size))
    update_bn(
        (torch.cat([plain_triplets(scan, plan) for scan in group]) for group in groups),
        backbone.to(device),
        device,
    )
    backbone.cpu().eval()
