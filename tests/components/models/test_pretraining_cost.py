"""What pretraining will take is counted without computing, and is what it takes."""

from __future__ import annotations

import dataclasses

import pytest
import torch

pytest.importorskip("lightning")

from components.models.classifier_cost import saved_bytes
from components.models.pretraining_cost import pretraining_cost
from components.models.slice_backbone import slice_backbone
from components.models.training_plan import BackbonePretraining, ClassificationPlan

PLAN = ClassificationPlan(
    shape=(12, 64, 64), widths=(8, 16), embedding=16, heads=4, window=2, precision="float32",
    pretraining=BackbonePretraining(epochs=4, batch_size=5, triplets=3, expander=16),
)  # fmt: skip


def test_what_is_counted_is_what_autograd_keeps() -> None:
    backbone = slice_backbone(3, PLAN.widths).train()
    images = torch.rand(2 * 5 * 3, 3, 64, 64)
    kept = saved_bytes(backbone, lambda: backbone(images), mixed=False)
    cost = pretraining_cost(PLAN, 23)
    own = sum(p.numel() for p in backbone.parameters())
    expander = 3 * 16 * 16 + 2 * 16 + 2 * 2 * 16  # weights, biases of two layers, two batch norms
    assert cost.parameters == own + expander
    assert cost.peak_gb == pytest.approx(
        (kept + 4.0 * images.numel() + 16.0 * cost.parameters) / 1e9, rel=0.02
    )
    assert (cost.batches, cost.step_seconds) == (4 * 4, None)


def test_more_triplets_cost_more_and_recomputing_saves_memory_for_time() -> None:
    large = dataclasses.replace(
        PLAN, widths=(16, 32, 64), pretraining=BackbonePretraining(epochs=1, triplets=16)
    )
    half = dataclasses.replace(large, pretraining=BackbonePretraining(epochs=1, triplets=8))
    again = dataclasses.replace(large, recompute=True)
    cost = pretraining_cost(large, 100)
    assert cost.step_tflop == pytest.approx(2 * pretraining_cost(half, 100).step_tflop)
    assert pretraining_cost(again, 100).step_tflop == pytest.approx(4 / 3 * cost.step_tflop)
    assert pretraining_cost(again, 100).peak_gb < 0.8 * cost.peak_gb
    assert (
        pretraining_cost(large, 4).peak_gb < 0.3 * cost.peak_gb
    )  # no step holds more patients than there are


def test_a_person_reads_the_time_here() -> None:
    assert str(pretraining_cost(PLAN, 23, measure=True)).endswith(" h")
