"""A campaign with a learner whose score can be told from what it was taught, and the arms that only the bench has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from components.acquisition.budget import Budget
from components.acquisition.cost_model import CostParams
from components.acquisition.entropy import entropy
from components.acquisition.params import AcquisitionParams
from components.acquisition.random_patients import random_patients
from components.cohort.task import Task
from pipelines.bench.acquisition_arms import ARMS, arm_of
from pipelines.bench.acquisition_campaign import Arm, Asking, Campaign, FrameRandom, Oracle, run_campaign

KINDS = {"a": "usual", "b": "usual", "c": "usual", "d": "usual", "e": "rare", "f": "rare", "g": "broken"}
FRAMES = pd.DataFrame(
    [
        {"frame_id": f"{patient}-{i}", "case_id": patient, "patient_id": patient, "batch": "",
         "phase_percent": 10.0 * i, "kind": kind}
        for patient, kind in KINDS.items()
        for i in range(3 if patient in "ae" else 1)
    ]
)  # fmt: skip


@dataclass
class Counting:
    """A model is the set of rows that it learned; its score their number. Minutes: row + 1."""

    frames: pd.DataFrame = field(default_factory=lambda: FRAMES)
    looked: list[bool] = field(default_factory=list)

    def start(self) -> frozenset[int]:
        return frozenset()

    def learn(self, rows: Sequence[int]) -> frozenset[int]:
        return frozenset(rows)

    def cards(self, model: frozenset[int] | None) -> pd.DataFrame:
        self.looked.append(model is not None)
        value = np.arange(len(self.frames), dtype=float)
        return self.frames.drop(columns="kind").assign(
            uncertainty=value, predictive_entropy=value, output_heart_ml=value + 1
        )

    def answered(
        self, rows: Sequence[int], model: frozenset[int], generator: np.random.Generator
    ) -> tuple[npt.NDArray[np.float64], list[bool]]:
        sound = (self.frames["kind"].iloc[list(rows)] != "broken").tolist()
        return np.array(rows, dtype=float) + 1, sound

    def judge(self, model: frozenset[int]) -> npt.NDArray[np.float64]:
        return np.full(4, float(len(model)))


def campaign(arm: Arm, learner: Counting, seed: int = 0) -> Campaign:
    return run_campaign(learner, arm, (2, 3), CostParams(), np.random.default_rng(seed))


def patients(found: Campaign) -> list[str]:
    return [name.split("-")[0] for name in found.asked]


def test_a_campaign_asks_about_each_patient_once_and_about_its_least_sure_frame() -> None:
    learner = Counting()
    found = campaign(Asking(strategy=entropy), learner)
    # entropy grows with the row: the broken scan is asked about first, costs its minutes, and teaches nothing
    assert found.asked == ("g-0", "f-0", "e-2", "d-0", "c-0")
    assert found.labels.tolist() == [0, 2, 5]
    rows = [FRAMES["frame_id"].tolist().index(name) for name in found.asked]
    assert found.minutes[-1] == pytest.approx(sum(rows) + 5)
    assert found.judged[:, 0].tolist() == [0, 1, 4]
    assert learner.looked == [True, True]


def test_the_same_seed_is_the_same_campaign() -> None:
    arm = Asking(strategy=random_patients, looks=False)
    first, again, other = (campaign(arm, Counting(), seed).asked for seed in (0, 0, 1))
    assert first == again != other
    assert len(set(patients(campaign(arm, Counting())))) == 5


def test_frame_random_draws_frames_and_not_patients() -> None:
    drawn = [patients(campaign(FrameRandom(), Counting(), seed)) for seed in range(40)]
    assert any(len(set(names)) < 5 for names in drawn)  # the same patient again
    assert all(len(set(campaign(FrameRandom(), Counting(), seed).asked)) == 5 for seed in range(5))
    share = Counter(name for names in drawn for name in names)
    assert share["a"] > 1.5 * share["b"]  # of three frames and of one


def test_the_oracle_levels_the_kinds_and_leaves_broken_scans_alone() -> None:
    oracle = Oracle(kinds=pd.Series(KINDS), useless="broken")
    found = [KINDS[name] for name in patients(campaign(oracle, Counting()))]
    assert found == ["usual", "rare", "usual", "rare", "usual"]
    pool = FRAMES.drop(columns="kind")
    labelled = pool[pool["patient_id"].isin(["a", "b"])]
    rest = pool[~pool["patient_id"].isin(["a", "b"])]
    asked = oracle.ask(rest, labelled, Budget(cases=2), np.random.default_rng(0))
    assert [KINDS[name.split("-")[0]] for name in asked] == ["rare", "rare"]


@pytest.mark.parametrize("task", ["segmentation", "classification"])
def test_every_arm_exists_and_random_is_drawn_three_times(task: Task) -> None:
    arms = {name: arm_of(name, FRAMES, AcquisitionParams(), task) for name in ARMS}
    assert ARMS["random"] >= 3
    assert {name for name, arm in arms.items() if isinstance(arm, FrameRandom)} == {
        "frame random (straw man)"
    }
    assert sum(isinstance(arm, Oracle) for arm in arms.values()) == 1
    assert len({arm.strategy for arm in arms.values() if isinstance(arm, Asking)}) == 5
