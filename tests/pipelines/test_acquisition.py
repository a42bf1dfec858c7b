"""From params.yaml and the answers in the stores to who chooses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import pipelines.acquisition as module
from components.acquisition.arm_verdict import ArmAnswer
from components.acquisition.choice import Arm
from components.acquisition.failure_coverage import FailureCoverage
from components.acquisition.random_patients import random_patients
from components.errors import ParameterError
from components.models.prediction import FramePrediction
from components.scorecard.columns import IDENTITY
from components.volume.volume import Volume
from pipelines.acquisition import acquisition_of, learned_acquisition
from pipelines.composition import Services
from pipelines.labelled_scorecards import labelled_scorecards
from pipelines.params_override import set_params
from pipelines.workspace import Workspace
from tests.pipelines.judged_workspace import make_workspace


class CountingPredictor:
    """Counts what it is shown."""

    task = "segmentation"
    label_names = ("left_ventricle",)

    def __init__(self) -> None:
        self.shown = 0

    def predict(self, volume: Volume) -> FramePrediction:
        self.shown += 1
        return FramePrediction(
            labels=None, probabilities={}, uncertainty=0.5, embedding=np.ones(3, np.float32), outputs={}
        )


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return make_workspace(tmp_path, "segmentation", train=3, test=2)


def test_the_parameters_of_ours_reach_it(workspace: Workspace) -> None:
    set_params(
        workspace.params, {"acquisition": {"failure_coverage": {"alpha": 0.1}, "shadow": {"share": 0.0}}}
    )
    found = acquisition_of(workspace, "segmentation", strategy="failure_coverage")
    assert isinstance(found.strategy, FailureCoverage)
    assert found.strategy.params.alpha == 0.1
    assert (found.baseline, found.shadow_share, found.minutes.base) == (random_patients, 0.0, 30.0)
    assert acquisition_of(workspace, "classification", strategy="random").minutes.base == 5.0


def test_an_unknown_strategy_is_refused_with_the_known_ones(workspace: Workspace) -> None:
    with pytest.raises(ParameterError, match="failure_coverage, random"):
        acquisition_of(workspace, "segmentation", strategy="coverage")


def test_labelled_patients_are_scored_once_for_each_model_version(workspace: Workspace) -> None:
    predictor = CountingPredictor()
    first = labelled_scorecards(workspace, "segmentation", predictor, "m/1")  # type: ignore[arg-type]
    assert sorted(first["patient_id"]) == ["p00", "p01", "p02"]
    assert predictor.shown == 3
    again = labelled_scorecards(workspace, "segmentation", predictor, "m/1")  # type: ignore[arg-type]
    assert predictor.shown == 3
    assert again["frame_id"].tolist() == first["frame_id"].tolist()
    labelled_scorecards(workspace, "segmentation", predictor, "m/2")  # type: ignore[arg-type]
    assert predictor.shown == 6


def test_where_nobody_is_labelled_the_table_is_empty_and_has_its_columns(tmp_path: Path) -> None:
    empty = make_workspace(tmp_path, "segmentation", train=0, test=2)
    found = labelled_scorecards(empty, "segmentation", CountingPredictor(), "m/1")  # type: ignore[arg-type]
    assert found.empty
    assert set(IDENTITY) <= set(found.columns)


def answers(better: Arm) -> list[ArmAnswer]:
    return [
        ArmAnswer(
            patient_id=f"{arm}{i}", arm=arm, error=0.5 if arm == better else 0.1 + 0.01 * i, minutes=10.0
        )
        for arm in ("strategy", "random")
        for i in range(10)
    ]  # type: ignore[arg-type]


def test_the_verdict_is_entered_when_it_changes_and_with_what_was_measured(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    services = Services(workspace)
    told: list[tuple[list[ArmAnswer], dict[str, float]]] = []
    monkeypatch.setattr(module, "measured_answers", lambda *_: told[-1])

    def learned(found: list[ArmAnswer], new: dict[str, float]) -> str:
        told.append((found, new))
        return learned_acquisition(services, "segmentation", CountingPredictor(), "m/1").leads  # type: ignore[arg-type]

    assert learned([], {}) == "strategy"
    assert services.store.entries("acquisition") == ()
    assert learned(answers("random"), {"r1": 0.5, "r2": float("nan")}) == "random"
    assert learned(answers("random"), {}) == "random"
    assert learned(answers("strategy"), {}) == "strategy"
    entries = [entry.payload for entry in services.store.entries("acquisition")]
    assert [(entry["kind"], entry["leads"]) for entry in entries] == [
        ("does not pay", "random"),
        ("pays", "strategy"),
    ]
    assert entries[0]["answers"] == {"r1": 0.5, "r2": None}
    services.store.close()
