"""A shadow scores a batch beside the champion; what is compared is kept, and shown."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from components.cohort.structures import HEART_LABELS, HEART_STRUCTURES
from components.errors import StateError
from components.models.prediction import FramePrediction
from components.volume.volume import LabelMap, Volume
from pipelines.composition import MODEL_NAMES, Services
from pipelines.shadow_watch import report_text, shadow_pair, shadow_report, watch_shadow
from tests.components.registry.fakes import RegistryInMemory
from tests.pipelines.judged_workspace import make_workspace
from tests.pipelines.test_coverage import answer

NAME = MODEL_NAMES["segmentation"]


class Halves:
    """Draws one structure in every voxel below ``share`` of the volume; as unsure as it says."""

    task = "segmentation"
    label_names = HEART_STRUCTURES

    def __init__(self, share: float) -> None:
        self.share, self.asked = share, 0

    def predict(self, volume: Volume) -> FramePrediction:
        self.asked += 1
        labels = np.zeros(volume.geometry.shape, dtype=np.uint8)
        labels[: int(self.share * len(labels))] = 1
        return FramePrediction(
            labels=LabelMap(labels=labels, geometry=volume.geometry, names=HEART_LABELS), probabilities={},
            uncertainty=self.share, embedding=np.zeros(2, dtype=np.float32), outputs={"left_ventricle_ml": 1.0},
        )  # fmt: skip


class TwoModels(Services):
    """Version 1 is champion."""

    def predictor(self, version: Any) -> Any:
        return self.models[version.version], self.registry.fetch(version)

    @property
    def models(self) -> dict[int, Halves]:
        models: dict[int, Halves] = vars(self)["both"]
        return models


@pytest.fixture
def services(tmp_path: Path) -> TwoModels:
    workspace = make_workspace(tmp_path / "w", "segmentation", train=2, test=2)
    registry = RegistryInMemory()
    for number in (1, 2):
        package = tmp_path / f"package{number}"
        (package / "lineage").mkdir(parents=True)
        (package / "lineage" / "lineage.json").write_text(json.dumps({"training_patients": ["p00"]}))
        registry.register(NAME, package, package_hash=f"hash{number}", tags={})
    registry.set_alias(NAME, "champion", 1)
    services = TwoModels(workspace)
    vars(services).update(registry=registry, both={1: Halves(1.0), 2: Halves(0.5)})
    return services


def test_both_score_a_batch_once_and_the_report_tells_the_difference(services: TwoModels) -> None:
    assert watch_shadow(services, "segmentation", "two") is None
    with pytest.raises(StateError, match="a shadow of"):
        shadow_report(services, "segmentation")
    services.registry.set_alias(NAME, "shadow", 2)
    table = watch_shadow(services, "segmentation", "two")
    assert table is not None
    assert list(table["case_id"]) == ["cp01", "cp03"]
    assert table["agreement"].tolist() == pytest.approx([2 / 3, 2 / 3])
    asked = {number: model.asked for number, model in services.models.items()}
    watch_shadow(services, "segmentation", "two")
    assert {number: model.asked for number, model in services.models.items()} == asked

    found = shadow_report(services, "segmentation")
    assert (found["champion"], found["shadow"], found["cases"]) == (f"{NAME}/1", f"{NAME}/2", 2)
    assert found["uncertainty_difference"]["value"] == pytest.approx(-0.5)
    assert found["returned"]["quality_difference"] is None
    assert "nothing yet" in report_text(found)

    answer(services, "p01")
    found = shadow_report(services, "segmentation")
    assert found["returned_cases"] == 1
    assert found["returned"]["quality_difference"]["patients"] == 1
    assert "difference" in report_text(found)
    services.store.close()


def test_a_shadow_that_became_champion_is_none_any_more(services: TwoModels) -> None:
    services.registry.set_alias(NAME, "shadow", 1)
    assert shadow_pair(services, "segmentation") is None
