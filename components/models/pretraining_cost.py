"""What pretraining a backbone takes, told before it begins; counted as ``classifier_cost`` does."""

from __future__ import annotations

from math import prod

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils.flop_counter import FlopCounterMode

from components.models.backbone_pretraining import VicregModule
from components.models.classifier_cost import (
    BACKWARD,
    MOMENTS,
    PROBED_TOKENS,
    SMALL_VOXELS,
    ClassifierCost,
    saved_bytes,
    seconds_of,
    stages_bytes,
)
from components.models.fit import seeded
from components.models.slice_backbone import slice_backbone
from components.models.training_plan import ClassificationPlan
from components.models.training_run import native_precision
from components.models.vicreg import expander


def pretraining_cost(plan: ClassificationPlan, patients: int, *, measure: bool = False) -> ClassifierCost:
    """Of ``plan.pretraining`` on one scan of each of ``patients`` an epoch; preparing the views comes on top.

    Args:
        measure: also time a step, of a few triplets where a step is large, in this process.
    """
    how = plan.pretraining
    mixed = native_precision(plan.used_precision, plan.devices) == "bf16-mixed"
    triplets = 2 * max(1, min(how.batch_size, patients) // plan.devices) * how.triplets
    with FakeTensorMode():
        backbone, expand = _networks(plan)
        images = torch.empty(triplets, plan.slices_per_token, *plan.shape[1:])
        with FlopCounterMode(display=False) as flops:
            backbone(images)
        kept = _kept_bytes(plan, backbone, images, mixed)
    parameters = sum(p.numel() for p in (*backbone.parameters(), *expand.parameters()))
    return ClassifierCost(
        parameters=parameters,
        peak_gb=(4.0 * parameters * (2 + MOMENTS) + 4.0 * images.numel() + kept) / 1e9,
        step_tflop=(BACKWARD + plan.recompute) * flops.get_total_flops() / 1e12,
        batches=max(1, patients // how.batch_size) * how.epochs,
        step_seconds=seeded(lambda: _step_seconds(plan, triplets, mixed), 0) if measure else None,
    )


def _networks(plan: ClassificationPlan) -> tuple[nn.Sequential, nn.Sequential]:
    backbone = slice_backbone(plan.slices_per_token, plan.widths, max_pool=plan.max_pool)
    return backbone.train(), expander(plan.widths[-1], plan.pretraining.expander).train()


def _kept_bytes(plan: ClassificationPlan, backbone: nn.Sequential, images: Tensor, mixed: bool) -> float:
    if plan.recompute:
        return stages_bytes(backbone, images, mixed)
    return saved_bytes(backbone, lambda: backbone(images), mixed)


def _step_seconds(plan: ClassificationPlan, triplets: int, mixed: bool) -> float:
    small = triplets * plan.slices_per_token * prod(plan.shape[1:]) <= SMALL_VOXELS
    probed = triplets if small else min(triplets, PROBED_TOKENS)
    module = VicregModule(*_networks(plan), rate=1e-5, weight_decay=0.0, steps=10, recompute=plan.recompute)
    views = torch.rand(1, 2, probed // 2, plan.slices_per_token, *plan.shape[1:])
    return seconds_of(module, views, mixed) * triplets / probed
