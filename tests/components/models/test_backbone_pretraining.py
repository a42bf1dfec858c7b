"""The backbone, and nothing else, learns without findings; a killed run ends with the same bytes."""

from __future__ import annotations

import dataclasses
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

pytest.importorskip("lightning")

from components.errors import ParameterError, StateError
from components.models.backbone_pretraining import VicregModule, pretrain_backbone
from components.models.classifiers import build_classifier
from components.models.ct_scroll import CTScroll
from components.models.fit import batches, fit, seeded
from components.models.labeled import LabeledScan, UnlabelledScan
from components.models.train_classification import classifier_config, train_classification
from components.models.training_plan import BackbonePretraining, ClassificationPlan
from components.models.triplet_views import plain_triplets

PLAN = ClassificationPlan(
    shape=(6, 32, 32), widths=(8, 16), embedding=16, heads=4, window=1, batch_size=4, epochs=1, seed=5,
    precision="float32", pretraining=BackbonePretraining(epochs=3, batch_size=4, triplets=2, expander=16),
)  # fmt: skip
FINDINGS = ("emphysema", "atelectasis")


def _voxels(number: int) -> np.ndarray:
    z, y, x = np.meshgrid(np.arange(6), np.arange(32), np.arange(32), indexing="ij")
    return (400 * np.sin((y + x * (number % 3) + z) / (2 + number)) - 400).astype(np.int16)


def pool(count: int = 8) -> list[UnlabelledScan]:
    return [
        UnlabelledScan(case_id=f"u{i}", patient_id=f"u{i}", read_hu=partial(_voxels, i)) for i in range(count)
    ]


def labelled() -> list[LabeledScan]:
    return [
        LabeledScan(
            case_id=f"c{i}", patient_id=f"c{i}", provenance="expert", read_hu=partial(_voxels, i),
            findings=np.array([i % 2, 1 - i % 2], dtype=np.float32),
        )
        for i in range(4)
    ]  # fmt: skip


def network(plan: ClassificationPlan = PLAN) -> CTScroll:
    made = seeded(lambda: build_classifier(classifier_config(plan, 2)), 0)
    assert isinstance(made, CTScroll)
    return made


class Views:
    """As ``TripletViews``, of given tensors ``(n, 2, k, s, h, w)``."""

    def __init__(self, views: torch.Tensor) -> None:
        self.views = views

    def __len__(self) -> int:
        return len(self.views)

    def __getitem__(self, number: int) -> torch.Tensor:
        return self.views[number % len(self.views)]


class Killed(Exception):
    pass


def kill(_name: str, epoch: int, _loss: float) -> None:
    if epoch == 1:
        raise Killed


def test_it_learns(tmp_path: Path) -> None:
    how = dataclasses.replace(PLAN.pretraining, epochs=6, batch_size=8, triplets=4, learning_rate=0.01)
    losses = pretrain_backbone(
        network(), pool(), dataclasses.replace(PLAN, pretraining=how), checkpoints=tmp_path
    )
    assert losses[-1] < 0.9 * losses[0]


def test_it_changes_the_backbone_only_and_a_killed_run_ends_with_the_same_bytes(
    tmp_path: Path,
) -> None:
    before, whole, cut = network().state_dict(), network(), network()
    losses = pretrain_backbone(whole, pool(), PLAN, checkpoints=tmp_path / "whole")
    assert len(losses) == 3
    with pytest.raises(Killed):
        pretrain_backbone(cut, pool(), PLAN, checkpoints=tmp_path / "cut", on_epoch=kill)
    told: list[tuple[str, int]] = []
    cut = network()
    again = pretrain_backbone(
        cut, pool(), PLAN, checkpoints=tmp_path / "cut", on_epoch=lambda name, e, _l: told.append((name, e))
    )
    assert again == losses
    assert told == [("pretrain", 0), ("pretrain", 1), ("pretrain", 2)]
    for name, tensor in whole.state_dict().items():
        assert torch.equal(tensor, cut.state_dict()[name])
        assert torch.equal(tensor, before[name]) is not name.startswith("features."), name


def test_the_seed_decides(tmp_path: Path) -> None:
    def losses(folder: str, seed: int) -> list[float]:
        plan = dataclasses.replace(PLAN, seed=seed)
        return pretrain_backbone(network(), pool(), plan, checkpoints=tmp_path / folder)

    assert losses("a", 1) == losses("b", 1) != losses("c", 2)


@pytest.mark.parametrize("frozen", [False, True])
def test_batch_norm_ends_with_the_statistics_of_unchanged_scans(tmp_path: Path, frozen: bool) -> None:
    plan = dataclasses.replace(PLAN, frozen_statistics=frozen)
    trained = network(plan)
    pretrain_backbone(trained, pool(), plan, checkpoints=tmp_path)
    stem, norm = trained.features[0], trained.features[1]
    assert not torch.equal(norm.weight, torch.ones(8))  # it has learnt, frozen statistics or not
    with torch.inference_mode():
        parts = [
            stem(torch.cat([plain_triplets(scan, plan) for scan in group]))
            for group in (pool()[:4], pool()[4:])
        ]
    mean = torch.stack([part.mean(dim=(0, 2, 3)) for part in parts]).mean(dim=0)
    variance = torch.stack([part.var(dim=(0, 2, 3)) for part in parts]).mean(dim=0)
    assert torch.allclose(norm.running_mean, mean, atol=1e-5)
    assert torch.allclose(norm.running_var, variance, rtol=1e-4, atol=1e-6)
    assert norm.momentum == 0.1


def test_a_classifier_starts_from_it_and_tells_both_curves(tmp_path: Path) -> None:
    told: list[str] = []

    def trained(folder: str, plan: ClassificationPlan) -> tuple[CTScroll, dict[str, list[float]]]:
        found, curves = train_classification(
            labelled(), plan, FINDINGS, checkpoints=tmp_path / folder, pool=pool(),
            on_epoch=lambda name, *_: told.append(name),
        )  # fmt: skip
        assert isinstance(found, CTScroll)
        return found, curves

    still = dataclasses.replace(PLAN, learning_rate=0.0, weight_decay=0.0, frozen_statistics=True)
    with_pretraining, curves = trained("with", still)
    assert {name: len(losses) for name, losses in curves.items()} == {"pretrain": 3, "classifier": 1}
    assert told == ["pretrain"] * 3 + ["classifier"]
    alone = seeded(lambda: build_classifier(classifier_config(still, 2)), still.seed)
    assert isinstance(alone, CTScroll)
    pretrain_backbone(alone, [*labelled(), *pool()], still, checkpoints=tmp_path / "alone")
    assert torch.equal(with_pretraining.features[0].weight, alone.features[0].weight)
    assert torch.equal(with_pretraining.features[1].running_mean, alone.features[1].running_mean)
    none = dataclasses.replace(still, pretraining=BackbonePretraining())
    without, curves = trained("without", none)
    assert list(curves) == ["classifier"]
    assert torch.equal(without.classifier[0].weight, with_pretraining.classifier[0].weight)


def test_a_training_killed_after_its_pretraining_ends_with_the_same_bytes(tmp_path: Path) -> None:
    plan = dataclasses.replace(PLAN, epochs=2)

    def stop(name: str, _epoch: int, _loss: float) -> None:
        if name == "classifier":
            raise Killed

    def trained(folder: str, stops: bool = False) -> torch.Tensor:
        found, _ = train_classification(
            labelled(),
            plan,
            FINDINGS,
            checkpoints=tmp_path / folder,
            pool=pool(),
            on_epoch=stop if stops else None,
        )
        return torch.cat([tensor.flatten().float() for tensor in found.state_dict().values()])

    with pytest.raises(Killed):
        trained("cut", stops=True)
    assert torch.equal(trained("cut"), trained("whole"))


def test_two_processes_share_the_batch_of_one(tmp_path: Path) -> None:
    """Without batch norm, of which each process on a processor has its own: spread and covariance are of all rows."""

    def weights(devices: int) -> torch.Tensor:
        backbone, expand = seeded(
            lambda: (
                nn.Sequential(nn.Conv2d(3, 6, 3), nn.Tanh(), nn.Conv2d(6, 8, 3), nn.Tanh()),
                nn.Linear(8, 12, bias=False),  # a bias moves no loss
            ),
            0,
        )
        module = VicregModule(backbone, expand, rate=1e-2, weight_decay=0.0, steps=4)
        views = torch.rand(8, 2, 2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
        fit(
            module, batches(Views(views), batch_size=4), name="pretrain", epochs=2, seed=0, devices=devices,
            checkpoint=tmp_path / f"{devices}.ckpt", precision="float32", progress=None,
        )  # fmt: skip
        return torch.cat([p.detach().flatten() for p in module.parameters()])

    assert torch.allclose(weights(1), weights(2), atol=1e-5)


def test_what_cannot_be_pretrained_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="scans to pretrain on"):
        pretrain_backbone(network(), [], PLAN, checkpoints=tmp_path)
    with pytest.raises(ParameterError, match="network: ct-scroll"):
        dataclasses.replace(PLAN, network="inflated-cnn")
    with pytest.raises(ParameterError, match="devices share"):
        dataclasses.replace(PLAN, devices=3, batch_size=3)
    with pytest.raises(ParameterError, match="two triplets"):
        BackbonePretraining(batch_size=1, triplets=1)
