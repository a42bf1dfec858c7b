"""What the plan of a classifier asks for is what is trained."""

from __future__ import annotations

import dataclasses
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

pytest.importorskip("lightning")

from components.errors import ParameterError
from components.models.classifiers import build_classifier
from components.models.ct_scroll import CTScroll
from components.models.inflated_cnn import InflatedCNN
from components.models.labeled import LabeledScan
from components.models.package import load_network, load_predictor, write_model
from components.models.train_classification import classifier_config, describe, train_classification
from components.models.training_plan import ClassificationPlan
from components.volume.geometry import Geometry
from components.volume.volume import Volume

PLAN = ClassificationPlan(
    shape=(6, 32, 32), widths=(8, 16), embedding=16, heads=4, window=1, batch_size=4, epochs=3, seed=5,
    token_dropout=0.0, attention_dropout=0.0, classifier_dropout=0.0, frozen_statistics=True, precision="float32",
)  # fmt: skip
FINDINGS = ("emphysema", "atelectasis")


def scans(count: int = 8) -> list[LabeledScan]:
    generator = np.random.default_rng(0)
    return [
        LabeledScan(
            case_id=f"c{i}", patient_id=f"p{i}", provenance="expert" if i % 3 else "pseudo",
            read_hu=partial(_same, generator.integers(-1000, 200, (6, 32, 32)).astype(np.int16)),
            findings=np.array([i % 2, np.nan if i == 1 else 1 - i % 2], dtype=np.float32),
        )
        for i in range(count)
    ]  # fmt: skip


def _same(voxels: np.ndarray) -> np.ndarray:
    return voxels


def apart(one: torch.Tensor, other: torch.Tensor) -> float:
    """Mean change in units of the rate; Adam makes much of the noise in gradients that are almost zero."""
    return float((one - other).abs().mean()) / PLAN.learning_rate


def trained(tmp_path: Path, **changes: object) -> torch.Tensor:
    plan = dataclasses.replace(PLAN, **changes)  # type: ignore[arg-type]
    network, curves = train_classification(scans(), plan, FINDINGS, checkpoints=tmp_path)
    assert len(curves["classifier"]) == plan.epochs
    return torch.cat([p.detach().flatten() for p in network.parameters()])


def test_gradients_that_are_accumulated_make_the_step_of_the_whole_batch(tmp_path: Path) -> None:
    """Where every batch counts alike: all findings known, all labels of one weight."""
    known = dataclasses.replace(PLAN, weights=dataclasses.replace(PLAN.weights, pseudo=1.0))
    data = [dataclasses.replace(scan, findings=np.nan_to_num(scan.findings)) for scan in scans()]

    def weights(folder: str, **changes: int) -> torch.Tensor:
        plan = dataclasses.replace(known, **changes)
        network, _ = train_classification(data, plan, FINDINGS, checkpoints=tmp_path / folder)
        return torch.cat([p.detach().flatten() for p in network.parameters()])

    whole = weights("whole")
    assert apart(weights("parts", batch_size=2, accumulate=2), whole) < 0.01
    assert apart(weights("others", batch_size=2), whole) > 0.1


def test_two_processes_end_where_one_ends(tmp_path: Path) -> None:
    one = trained(tmp_path / "one")
    two = trained(tmp_path / "two", devices=2)
    assert apart(one, two) < 0.01


def test_parts_and_recomputation_change_nothing(tmp_path: Path) -> None:
    plain = trained(tmp_path / "plain")
    assert apart(trained(tmp_path / "parts", tokens_at_once=1, recompute=True), plain) < 0.01


def test_the_average_holds_the_statistics_of_batch_norm_too(tmp_path: Path) -> None:
    plan = dataclasses.replace(PLAN, frozen_statistics=False, ema=0.5)
    network, _ = train_classification(scans(), plan, FINDINGS, checkpoints=tmp_path / "ema")
    last, _ = train_classification(
        scans(), dataclasses.replace(plan, ema=0.0), FINDINGS, checkpoints=tmp_path / "last"
    )
    assert not torch.allclose(network.features[1].running_mean, last.features[1].running_mean, atol=1e-6)


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        ({"depth": 0}, set()),
        ({"attention": ("global",)}, {"global_block"}),
        ({"attention": ("below", "above")}, {"caudal_cranial_block", "cranial_caudal_block"}),
        ({}, {"global_block", "caudal_cranial_block", "cranial_caudal_block"}),
    ],
)
def test_ablations_are_values_of_the_plan(changes: dict[str, object], parts: set[str]) -> None:
    config = classifier_config(dataclasses.replace(PLAN, **changes), 2)  # type: ignore[arg-type]
    network = build_classifier(config)
    assert isinstance(network, CTScroll)
    found = {name.split(".")[2] for name, _ in network.named_parameters() if name.startswith("blocks.")}
    assert found == parts
    assert network.eval()(torch.rand(2, 6, 32, 32))[0].shape == (2, 2)


def test_without_attention_the_order_of_the_triplets_does_not_matter_and_with_it_it_does() -> None:
    x = torch.rand(1, 12, 32, 32)
    turned = x.reshape(1, 4, 3, 32, 32).flip(1).reshape(1, 12, 32, 32)
    for depth, same in ((0, True), (1, False)):
        torch.manual_seed(0)
        network = build_classifier(classifier_config(dataclasses.replace(PLAN, depth=depth), 2)).eval()
        for parameter in network.parameters():  # its last projections start at zero
            torch.nn.init.normal_(parameter, std=0.2)
        with torch.inference_mode():
            assert torch.allclose(network(x)[0], network(turned)[0], atol=1e-5) is same


@pytest.mark.parametrize("kind", ["ct-scroll", "inflated-cnn"])
def test_either_network_goes_through_its_package(tmp_path: Path, kind: str) -> None:
    plan = dataclasses.replace(PLAN, network=kind, epochs=1)  # type: ignore[arg-type]
    network, _ = train_classification(scans(), plan, FINDINGS, checkpoints=tmp_path / "c")
    write_model(tmp_path / "m", network, describe(network, plan, FINDINGS, (4.0, 4.0, 4.0)))
    again, _ = load_network(tmp_path / "m")
    assert isinstance(again, InflatedCNN) is (kind == "inflated-cnn")
    x = torch.rand(1, 6, 32, 32)
    with torch.inference_mode():
        assert torch.allclose(again(x)[0], network.eval()(x)[0])
    grid = Geometry.axis_aligned((6, 32, 32), (4.0, 4.0, 4.0))
    said = load_predictor(tmp_path / "m").predict(
        Volume(voxels_hu=np.zeros(grid.shape, np.int16), geometry=grid)
    )
    assert set(said.probabilities) == set(FINDINGS)


def test_values_that_make_no_training_are_refused() -> None:
    for wrong in ({"accumulate": 0}, {"devices": 0}, {"ema": 1.0}, {"start": "a", "imagenet": "b"}):
        with pytest.raises(ParameterError):
            dataclasses.replace(PLAN, **wrong)
    with pytest.raises(ParameterError, match="attention among global, below, above"):
        classifier_config(dataclasses.replace(PLAN, attention=()), 2)
