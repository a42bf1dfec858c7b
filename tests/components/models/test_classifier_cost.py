"""What a training will take is counted without computing, and is what it takes."""

from __future__ import annotations

import dataclasses

import pytest
import torch

pytest.importorskip("lightning")

from components.models.classifier_cost import cost_of, saved_bytes
from components.models.classifiers import build_classifier
from components.models.train_classification import classifier_config
from components.models.training_plan import ClassificationPlan

PUBLISHED = ClassificationPlan(
    shape=(240, 480, 480), widths=(64, 128, 256, 512), embedding=512, window=15, batch_size=1, epochs=2,
    precision="float32",
)  # fmt: skip
SMALL = ClassificationPlan(
    shape=(12, 64, 64), widths=(8, 16), embedding=16, heads=4, window=2, batch_size=3, precision="float32"
)


def test_the_published_size_is_as_measured_elsewhere() -> None:
    """Of a forward pass 1.33 TFLOP; of a training step in float32 8.0 GB (Zen 4, torch)."""
    cost = cost_of(PUBLISHED, 18, 100)
    assert cost.parameters == 16_239_058
    assert cost.step_tflop == pytest.approx(3 * 1.33, rel=0.01)
    assert cost.peak_gb == pytest.approx(8.0, rel=0.1)
    assert (cost.batches, cost.step_seconds) == (200, None)


def test_what_saves_memory_is_seen_to_save_it() -> None:
    def peak(**changes: object) -> float:
        return cost_of(dataclasses.replace(PUBLISHED, **changes), 18, 1).peak_gb  # type: ignore[arg-type]

    half = peak(precision="bfloat16")
    assert half == pytest.approx(0.57 * peak(), rel=0.1)
    stages = peak(precision="bfloat16", recompute=True)
    parts = peak(precision="bfloat16", recompute=True, frozen_statistics=True, tokens_at_once=4)
    assert parts < 1.0 < stages < 0.7 * half
    assert cost_of(dataclasses.replace(PUBLISHED, recompute=True), 18, 1).step_tflop == pytest.approx(
        4 * 1.33, rel=0.01
    )


def test_what_is_counted_is_what_autograd_keeps() -> None:
    """The same sum over real tensors."""
    network = build_classifier(classifier_config(SMALL, 2)).train()
    image = torch.rand(3, *SMALL.shape)
    kept = saved_bytes(network, lambda: network(image), mixed=False)
    parameters = sum(p.numel() for p in network.parameters())
    expected = (kept + 4.0 * image.numel() + 16.0 * parameters) / 1e9
    assert cost_of(SMALL, 2, 3).peak_gb == pytest.approx(expected, rel=0.02)


def test_a_person_reads_a_sentence_with_the_time_here() -> None:
    cost = cost_of(SMALL, 2, 30, measure=True)
    assert cost.step_seconds is not None
    assert cost.step_seconds > 0.0
    assert "million parameters" in str(cost)
    assert str(cost).endswith(" h")
    assert cost_of(dataclasses.replace(SMALL, network="inflated-cnn"), 2, 30).peak_gb > 0.0
