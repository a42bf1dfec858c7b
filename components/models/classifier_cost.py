"""What training a classifier takes, told before it begins: counted without computing, at any size.

PyTorch's fake tensors run the forward pass with shapes alone; what autograd would keep for the backward pass is summed,
and convolutions and matrix products are counted. That is exact for activations; what libraries take beside them
(workspaces, caches) is not in it.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from math import prod
from typing import Any

import lightning.pytorch as lightning
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils.flop_counter import FlopCounterMode

from components.models.classification import ClassificationModule
from components.models.classifiers import Classifier, build_classifier
from components.models.ct_scroll import CTScroll
from components.models.fit import seeded
from components.models.train_classification import classifier_config
from components.models.training_plan import ClassificationPlan
from components.models.training_run import native_precision

MOMENTS = 2  # of AdamW
BACKWARD = 3.0  # forward, gradient of the input, gradient of the weights
PROBED_TOKENS = 4  # triplets of the step that is timed where a batch is large
SMALL_VOXELS = 5_000_000  # of a batch; below, it is timed as it is, since what a step costs at least counts


@dataclass(frozen=True, kw_only=True)
class ClassifierCost:
    """Args:
    parameters: of the network.
    peak_gb: of a device, for network, optimiser and one batch; batches that wait beside it come on top.
    step_tflop: of a batch, forward and backward.
    batches: of the whole training.
    step_seconds: of a batch here, extrapolated from a small one; ``None`` if not measured.
    """

    parameters: int
    peak_gb: float
    step_tflop: float
    batches: int
    step_seconds: float | None = None

    def __str__(self) -> str:
        """A sentence for a person."""
        said = (
            f"{self.parameters / 1e6:.1f} million parameters, about {self.peak_gb:.2g} GB at the peak, "
            f"{self.batches} batches of {self.step_tflop:.2g} TFLOP"
        )
        if self.step_seconds is None:
            return said
        hours = self.step_seconds * self.batches / 3600
        return f"{said}, about {self.step_seconds:.2g} s each here: {hours:.2g} h"


def cost_of(plan: ClassificationPlan, labels: int, scans: int, *, measure: bool = False) -> ClassifierCost:
    """Of training on ``scans`` scans of ``labels`` findings.

    Args:
        measure: also time a step of a few triplets in this process.
    """
    mixed = native_precision(plan.used_precision, plan.devices) == "bf16-mixed"
    own = max(1, plan.batch_size // plan.devices)
    counted = _counted(plan, labels, own, mixed)
    batches = max(1, scans // plan.batch_size) * plan.epochs
    return dataclasses.replace(
        counted,
        batches=batches,
        step_seconds=seeded(lambda: _step_seconds(plan, labels, own, mixed), 0) if measure else None,
    )


def _counted(plan: ClassificationPlan, labels: int, scans: int, mixed: bool) -> ClassifierCost:
    with FakeTensorMode():
        network = build_classifier(classifier_config(plan, labels)).train()
        image = torch.empty(scans, *plan.shape)
        with FlopCounterMode(display=False) as flops:
            network(image)
        kept = _kept_bytes(network, image, mixed)
    parameters = sum(p.numel() for p in network.parameters())
    copies = 2 + MOMENTS + (1 if plan.ema else 0)  # weights and gradients
    recomputed = plan.recompute and plan.network == "ct-scroll"
    return ClassifierCost(
        parameters=parameters,
        peak_gb=(4.0 * parameters * copies + 4.0 * image.numel() + kept) / 1e9,
        step_tflop=(BACKWARD + recomputed) * flops.get_total_flops() / 1e12,
        batches=0,
    )


def _kept_bytes(network: Classifier, image: Tensor, mixed: bool) -> float:
    """What the forward pass leaves for the backward one, and the largest part that is computed again at a time."""
    if not (isinstance(network, CTScroll) and network.config.recompute):
        return saved_bytes(network, lambda: network(image), mixed)
    triplets = network.triplets(image)
    if network.config.frozen_statistics:
        part = triplets[: network.config.tokens_at_once or len(triplets)]
        return saved_bytes(network, lambda: network.features(part), mixed)
    return stages_bytes(network.features, triplets, mixed)


def stages_bytes(backbone: nn.Sequential, triplets: Tensor, mixed: bool) -> float:
    """As ``saved_bytes`` where each stage is computed again: what lies between them, and the largest of them."""
    inputs = [triplets]
    stages = (backbone[:4], *tuple(backbone.children())[4:])
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=mixed):
        for stage in stages:
            inputs.append(stage(inputs[-1]))
    again = [
        saved_bytes(stage, partial(stage, x), mixed)
        for stage, (x, _) in zip(stages, pairwise(inputs), strict=True)
    ]
    return sum(x.nbytes for x in inputs) + max(again)


def saved_bytes(network: nn.Module, run: Callable[[], Any], mixed: bool) -> float:
    """Bytes of the distinct storages that autograd keeps, parameters apart."""
    own = {id(p.untyped_storage()) for p in network.parameters()}
    seen: dict[int, Any] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        seen[id(storage)] = storage  # held, so that no other gets its id
        return tensor

    with (
        torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor),
        torch.autocast("cpu", dtype=torch.bfloat16, enabled=mixed),
    ):
        result = run()
    del result
    return float(sum(storage.nbytes() for place, storage in seen.items() if place not in own))


def _step_seconds(plan: ClassificationPlan, labels: int, scans: int, mixed: bool) -> float:
    """One step after one that is not counted: of a whole batch, or of a few triplets times how much larger it is."""
    per_token, few = plan.slices_per_token, scans * prod(plan.shape) <= SMALL_VOXELS
    slices = plan.shape[0] if few else min(plan.shape[0], PROBED_TOKENS * per_token)
    probed = scans if few else 1
    small = dataclasses.replace(plan, shape=(slices, *plan.shape[1:]))
    network = build_classifier(classifier_config(small, labels)).train()
    module = ClassificationModule(
        network, positive_l=torch.ones(labels), rate=1e-5, weight_decay=0.0, steps=10
    )
    image = torch.rand(probed, *small.shape)
    valid = torch.ones(probed, slices // per_token, dtype=torch.bool)
    batch = image, valid, torch.zeros(probed, labels), torch.ones(probed)
    return seconds_of(module, batch, mixed) * scans * prod(plan.shape) / (probed * prod(small.shape))


def seconds_of(module: lightning.LightningModule, batch: Any, mixed: bool) -> float:
    """Of one step of ``module`` on ``batch`` in this process, after one that is not counted."""
    optimiser = module.configure_optimizers()["optimizer"]
    seconds = 0.0
    for _ in range(2):
        start = time.perf_counter()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=mixed):
            loss = module.training_step(batch, 0)
        torch.autograd.backward(loss)
        optimiser.step()
        optimiser.zero_grad()
        seconds = time.perf_counter() - start
    return seconds
