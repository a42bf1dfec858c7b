"""Going on from a trained network: what is shown, and that it starts where that one stands."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

pytest.importorskip("lightning")

from components.errors import ParameterError, StateError
from components.models.classifiers import build_classifier
from components.models.fit import seeded
from components.models.incremental import Replay, continue_classification, continue_segmentation
from components.models.train_classification import classifier_config
from components.models.training_plan import IncrementalParams
from components.models.unet import UNet
from tests.components.models.test_train_classification import PLAN as CHEST
from tests.components.models.test_train_classification import scans
from tests.components.models.test_train_segmentation import PLAN as HEART
from tests.components.models.test_train_segmentation import frames

PARAMS = IncrementalParams(start="champion", replay=0.5, epochs=2, learning_rate=1e-3)


def weights(network: torch.nn.Module) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in network.parameters()])


def heart() -> UNet:
    return seeded(lambda: UNet(HEART.network(1)), 1)


def chest() -> torch.nn.Module:
    return seeded(lambda: build_classifier(classifier_config(CHEST, 2)), 1)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.8])
def test_the_share_of_what_is_replayed_is_that_of_the_parameters(share: float) -> None:
    mixed = Replay([0] * 4000, [1] * 4000, share=share, length=4000, seed=7)
    shown = [mixed[number] for number in range(len(mixed))]
    assert np.mean(shown) == pytest.approx(share, abs=0.03)
    again = Replay([0] * 4000, [1] * 4000, share=share, length=4000, seed=7)
    assert shown == [again[number] for number in range(4000)]


def test_a_segmenter_goes_on_from_where_it_stands(tmp_path: Path) -> None:
    start = heart()
    before = weights(start).clone()
    still = dataclasses.replace(PARAMS, learning_rate=1e-12)
    network, curves = continue_segmentation(
        start, frames(), HEART, still, known={"f0"}, checkpoints=tmp_path / "still"
    )
    assert torch.allclose(weights(network), before, atol=1e-6)
    assert [len(curve) for curve in curves.values()] == [2]
    moved, _ = continue_segmentation(
        start, frames(), HEART, PARAMS, known={"f0"}, checkpoints=tmp_path / "moved"
    )
    assert not torch.allclose(weights(moved), before, atol=1e-4)
    assert torch.equal(weights(start), before)


def test_a_classifier_goes_on_from_where_it_stands(tmp_path: Path) -> None:
    start = chest()
    before = weights(start).clone()
    still = dataclasses.replace(PARAMS, learning_rate=1e-12)
    network, _ = continue_classification(
        start, scans(), CHEST, still, known={"c0", "c1"}, checkpoints=tmp_path / "still"  # type: ignore[arg-type]
    )  # fmt: skip
    assert torch.allclose(weights(network), before, atol=1e-6)
    moved, curves = continue_classification(
        start, scans(), CHEST, PARAMS, known={"c0", "c1"}, checkpoints=tmp_path / "moved"  # type: ignore[arg-type]
    )  # fmt: skip
    assert not torch.allclose(weights(moved), before, atol=1e-5)
    assert len(curves["go-on"]) == 2


def test_the_same_inputs_give_the_same_weights_and_replay_changes_them(tmp_path: Path) -> None:
    def trained(name: str, replay: float) -> torch.Tensor:
        params = dataclasses.replace(PARAMS, replay=replay)
        known = {"f0", "f1", "f2"}
        return weights(
            continue_segmentation(heart(), frames(), HEART, params, known=known, checkpoints=tmp_path / name)[
                0
            ]
        )

    assert torch.equal(trained("a", 0.5), trained("b", 0.5))
    assert not torch.equal(trained("c", 0.0), trained("d", 0.9))


@pytest.mark.parametrize("known", [set(), {f"f{i}" for i in range(6)}])
def test_with_nothing_new_or_nothing_known_all_is_shown(tmp_path: Path, known: set[str]) -> None:
    network, _ = continue_segmentation(heart(), frames(), HEART, PARAMS, known=known, checkpoints=tmp_path)
    assert torch.isfinite(weights(network)).all()


def test_without_labels_there_is_nothing_to_go_on_with(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="labels of training patients"):
        continue_segmentation(heart(), [], HEART, PARAMS, known=(), checkpoints=tmp_path)


@pytest.mark.parametrize("wrong", [{"replay": 1.0}, {"epochs": 0}, {"learning_rate": 0.0}])
def test_parameters_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ParameterError, match="replay in"):
        IncrementalParams(**wrong)  # type: ignore[arg-type]
