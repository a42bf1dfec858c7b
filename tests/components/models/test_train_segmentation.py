"""The rounds of self-training: they stop by rule, are judged by held-out experts, and are all recorded."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

pytest.importorskip("lightning")

from components.models import train_segmentation as training
from components.models import training_steps
from components.models.acceptance import Judgement
from components.models.labeled import LabeledFrame, in_memory, sample_foreground
from components.models.relabel import Relabelled
from components.models.train_segmentation import train_segmentation
from components.models.training_plan import SegmentationPlan

PLAN = SegmentationPlan(
    patch=(16, 16, 16), widths=(4, 8), batch_size=1, steps_per_epoch=2, epochs=1, fine_tune_epochs=1, seed=5,
    rounds=3, settled=0.0, confident=0.0,
)  # fmt: skip


def frames(experts: int = 3, pseudo: int = 3) -> list[LabeledFrame]:
    made = []
    for i in range(experts + pseudo):
        labels = np.zeros((16, 16, 16), np.uint8)
        labels[4:12, 4:12, 2 + i : 9 + i] = 1
        made.append(
            LabeledFrame(
                frame_id=f"f{i}",
                patient_id=f"p{i}",
                provenance="expert" if i < experts else "pseudo",
                shape=(16, 16, 16),
                read_hu=in_memory(labels.astype(np.int16) * 400 - 100),
                read_labels=in_memory(labels),
                foreground=sample_foreground(labels, np.random.default_rng(i)),
            )
        )
    return made


class Recorder:
    """A round log that remembers."""

    def __init__(self) -> None:
        self.begun: list[tuple[str, str]] = []
        self.ended: list[dict[str, Any]] = []

    def begin(self, step: str, facts: Mapping[str, str]) -> None:
        self.begun.append((step, facts["label_set_sha256"]))

    def end(self, step: str, facts: Mapping[str, Any]) -> None:
        self.ended.append({**facts})


def judged_as(monkeypatch: pytest.MonkeyPatch, *means: float) -> None:
    """What the held-out experts say of one step after the other."""
    said = list(means)
    monkeypatch.setattr(
        training_steps, "judge", lambda *_: Judgement(dice={"p": said.pop(0)} if said else {})
    )


def steps(trained: training.Trained) -> list[tuple[str, bool]]:
    return [(each["step"], each["accepted"]) for each in trained.rounds]


def test_rounds_then_fine_tune(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    judged_as(monkeypatch, 0.5, 0.6, 0.7, 0.7)
    log = Recorder()
    trained = train_segmentation(frames(), 1, PLAN, checkpoints=tmp_path, log=log)
    assert steps(trained) == [
        ("student-1", True),
        ("student-2", True),
        ("student-3", True),
        ("fine-tune", True),
    ]
    assert [each["step"] for each in log.ended] == list(trained.curves) == [name for name, _ in log.begun]
    assert trained.rounds == log.ended
    assert len({sha for _, sha in log.begun[:2]}) == 2
    assert [each.get("held_out_dice") for each in trained.rounds] == [0.5, 0.6, 0.7, 0.7]
    assert trained.rounds[1]["changed"] > 0


def test_no_image_of_a_judging_patient_is_seen_in_pretraining(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    monkeypatch.setattr(
        training_steps.TrainingSteps, "pretrain", lambda _, pool: seen.extend(f.patient_id for f in pool)
    )
    plan = dataclasses.replace(PLAN, pretrain_epochs=1, rounds=2)
    judging, _ = training.held_out_experts(frames(), plan)
    assert judging
    pool = [
        dataclasses.replace(judging[0], frame_id="another-phase"),
        dataclasses.replace(judging[0], patient_id="q"),
    ]
    train_segmentation(frames(), 1, plan, checkpoints=tmp_path, pool=pool)
    assert "q" in seen
    assert not {frame.patient_id for frame in judging} & set(seen)


def test_a_rejected_round_is_rolled_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = dataclasses.replace(PLAN, fine_tune_epochs=0)
    judged_as(monkeypatch, 0.7)
    first = train_segmentation(
        frames(), 1, dataclasses.replace(plan, rounds=1, judges=0), checkpoints=tmp_path / "a"
    )
    monkeypatch.setattr(training, "held_out_experts", lambda frames, plan: ([], list(frames)))
    judged_as(monkeypatch, 0.7, 0.6)
    trained = train_segmentation(frames(), 1, plan, checkpoints=tmp_path / "b")
    assert steps(trained) == [("student-1", True), ("student-2", False)]
    assert trained.rounds[-1]["stopped"] == "rejected by the held-out experts"
    kept, before = trained.network.state_dict(), first.network.state_dict()
    assert all(torch.equal(kept[name], before[name]) for name in before)


def test_a_small_loss_is_within_the_tolerance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    judged_as(monkeypatch, 0.7, 0.696)
    plan = dataclasses.replace(PLAN, rounds=2, fine_tune_epochs=0)
    assert steps(train_segmentation(frames(), 1, plan, checkpoints=tmp_path))[-1] == ("student-2", True)


def test_rounds_end_when_labels_settle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hardly = Relabelled(frames=frames(), changed=0.009, ignored=0.0)
    monkeypatch.setattr(training, "relabel", lambda *_: hardly)
    plan = dataclasses.replace(PLAN, settled=0.01, fine_tune_epochs=0)
    trained = train_segmentation(frames(), 1, plan, checkpoints=tmp_path)
    assert steps(trained) == [("student-1", True)]
    assert trained.rounds[0]["stopped"] == "relabelling changes 0.0090 of the labels"


class Killed(Exception):
    pass


def test_killed_in_the_second_round_ends_the_same(tmp_path: Path) -> None:
    plan = dataclasses.replace(PLAN, rounds=2, epochs=2)
    whole = train_segmentation(frames(), 1, plan, checkpoints=tmp_path / "whole")

    def kill(step: str, epoch: int, loss: float) -> None:
        if (step, epoch) == ("student-2", 0):
            raise Killed

    with pytest.raises(Killed):
        train_segmentation(frames(), 1, plan, checkpoints=tmp_path / "cut", on_epoch=kill)
    again = train_segmentation(frames(), 1, plan, checkpoints=tmp_path / "cut")
    assert again.rounds == whole.rounds
    assert again.curves == whole.curves
    pairs = zip(whole.network.state_dict().values(), again.network.state_dict().values(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
