"""The held-out experts accept or reject a round; they never teach."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

pytest.importorskip("torch")

from components.models.acceptance import Judgement, held_out_experts, judge
from components.models.labeled import LabeledFrame, in_memory
from components.models.training_plan import SegmentationPlan
from components.models.unet import UNet
from components.models.whole_frame import Labeller

PLAN = SegmentationPlan(patch=(16, 16, 16), widths=(4, 8), rounds=2)


def frame(patient: str, provenance: str, number: int = 0) -> LabeledFrame:
    labels = np.zeros((4, 4, 4), np.uint8)
    labels[0, 0, :2] = 1
    return LabeledFrame(
        frame_id=f"{patient}-{number}", patient_id=patient, provenance=provenance, shape=(4, 4, 4),
        read_hu=in_memory(np.zeros((4, 4, 4), np.int16)), read_labels=in_memory(labels), foreground={},
    )  # fmt: skip


def pool(experts: int) -> list[LabeledFrame]:
    labelled = [frame(f"e{i}", "expert") for i in range(experts)]
    also = [frame(f"e{i}", "pseudo", 1) for i in range(experts)]
    return [*labelled, *also, *(frame(f"p{i}", "pseudo") for i in range(5))]


@pytest.mark.parametrize(("experts", "judges"), [(0, 0), (2, 0), (3, 1), (9, 3), (12, 4), (30, 4)])
def test_at_most_a_third_judges(experts: int, judges: int) -> None:
    judging, teaching = held_out_experts(pool(experts), PLAN)
    patients = {each.patient_id for each in judging}
    assert len(patients) == judges
    assert not patients & {each.patient_id for each in teaching}
    assert {each.provenance for each in judging} <= {"expert"}
    again = held_out_experts(pool(experts)[::-1], PLAN)[0]  # the order of the frames decides nothing
    assert {each.patient_id for each in again} == patients


def test_the_same_seed_draws_the_same_judges() -> None:
    def drawn(seed: int) -> set[str]:
        plan = dataclasses.replace(PLAN, seed=seed)
        return {each.patient_id for each in held_out_experts(pool(12), plan)[0]}

    assert drawn(1) == drawn(1)
    assert len({frozenset(drawn(seed)) for seed in range(6)}) > 1


def test_one_round_needs_no_judge() -> None:
    judging, teaching = held_out_experts(pool(12), dataclasses.replace(PLAN, rounds=1))
    assert judging == []
    assert len(teaching) == len(pool(12))


def test_dice_by_patient(monkeypatch: pytest.MonkeyPatch) -> None:
    predicted = np.zeros((4, 4, 4), np.uint8)
    predicted[0, 0, 0] = 1
    monkeypatch.setattr(Labeller, "labels", lambda *_: predicted)
    judgement = judge(UNet(PLAN.network(1)), [frame("a", "expert"), frame("b", "expert")], PLAN)
    assert judgement.dice == {"a": pytest.approx(2 / 3), "b": pytest.approx(2 / 3)}


def test_verdict() -> None:
    before = Judgement(dice={"a": 0.8, "b": 0.9})
    assert Judgement(dice={"a": 0.8, "b": 0.88}).worse_than(before, 0.005)
    assert not Judgement(dice={"a": 0.8, "b": 0.895}).worse_than(before, 0.005)
    assert not Judgement(dice={}).worse_than(Judgement(dice={}), 0.0)
