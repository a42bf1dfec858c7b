"""What a classifier says of scans outside a training, against its forward pass."""

from __future__ import annotations

import numpy as np
import torch

from components.models.classifiers import build_classifier
from components.models.judge_scans import probabilities
from components.models.labeled import LabeledScan
from components.models.train_classification import classifier_config
from components.models.training_plan import ClassificationPlan

PLAN = ClassificationPlan(
    shape=(12, 32, 32), widths=(8, 16), embedding=16, heads=4, window=1, classifier_dropout=0.5
)


def scan(slices: int) -> LabeledScan:
    voxels = np.random.default_rng(slices).integers(-1000, 200, (slices, 32, 32)).astype(np.int16)
    return LabeledScan(
        case_id=str(slices), patient_id=str(slices), provenance="expert", read_hu=lambda: voxels,
        findings=np.zeros(2, np.float32),
    )  # fmt: skip


def test_each_scan_is_said_as_the_network_says_it_and_padding_is_left_out() -> None:
    torch.manual_seed(0)
    network = build_classifier(classifier_config(PLAN, 2))
    scans = [scan(12), scan(6)]
    said = probabilities(network.train(), scans, PLAN)
    assert not network.training
    for row, one, padding in zip(said, scans, (0, 3), strict=True):
        unit = (np.clip(one.read_hu(), -1000, 200) + 1000.0) / 1200.0 - 0.449
        whole = np.pad(unit, [(padding, padding), (0, 0), (0, 0)], constant_values=7.0).astype(np.float32)
        valid = torch.tensor([[n * 3 >= padding and (n + 1) * 3 <= 12 - padding for n in range(4)]])
        with torch.inference_mode():
            expected = network(torch.from_numpy(whole)[None], valid)[0][0].sigmoid().numpy()
        assert np.allclose(row, expected, atol=1e-5)


def test_an_inflated_network_is_asked_too() -> None:
    plan = ClassificationPlan(shape=(12, 32, 32), widths=(8, 16), network="inflated-cnn")
    network = build_classifier(classifier_config(plan, 2))
    assert probabilities(network, [scan(12), scan(7)], plan).shape == (2, 2)
