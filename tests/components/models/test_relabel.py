"""Between rounds the student labels again: experts stay, the teacher is the anchor, files survive a kill."""

from __future__ import annotations

import gc
import os
import pickle
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

pytest.importorskip("torch")

from components.models.labeled import LabeledFrame, in_memory, sample_foreground
from components.models.relabel import label_set_sha256, relabel
from components.models.training_plan import SegmentationPlan
from components.models.unet import UNet
from components.models.whole_frame import Labeller, MemberLabels

Labels = npt.NDArray[np.uint8]
PLAN = SegmentationPlan(patch=(16, 16, 16), widths=(4, 8))
NETWORK = UNet(PLAN.network(1))


def frame(name: str, labels: Labels, provenance: str = "pseudo") -> LabeledFrame:
    return LabeledFrame(
        frame_id=name,
        patient_id=name,
        provenance=provenance,
        shape=(4, 4, 4),
        read_hu=in_memory(np.zeros((4, 4, 4), np.int16)),
        read_labels=in_memory(labels),
        foreground=sample_foreground(labels, np.random.default_rng(0)),
    )


def row(*values: int) -> Labels:
    labels = np.zeros((4, 4, 4), np.uint8)
    labels[0, 0, : len(values)] = values
    return labels


@pytest.fixture
def student(monkeypatch: pytest.MonkeyPatch) -> list[Labels]:
    """What the student says, frame after frame."""
    said: list[Labels] = []

    def say(labeller: Labeller, voxels: npt.NDArray[np.int16]) -> MemberLabels:
        labels = said.pop(0)
        return MemberLabels(
            labels=labels, confidence=np.ones(labels.shape, np.float32), members=np.stack([labels, labels])
        )

    monkeypatch.setattr(Labeller, "say", say)
    return said


def test_agreement_is_kept_and_measured(tmp_path: Path, student: list[Labels]) -> None:
    student.append(row(1, 0, 1, 1))
    anchors = [frame("a", row(1, 1, 0, 255)), frame("e", row(1, 1), "expert")]
    again = relabel(NETWORK, anchors, anchors, PLAN, tmp_path)
    labels = again.frames[0].read_labels((0, 0, 0), (4, 4, 4))
    assert labels[0, 0].tolist() == [1, 255, 255, 1]
    assert again.frames[1] is anchors[1]
    assert again.ignored == pytest.approx(2 / 4)
    assert again.changed == pytest.approx(1 - 2 * 1 / (2 + 2))


def test_labels_are_read_from_their_file_and_hold_nothing_open(tmp_path: Path, student: list[Labels]) -> None:
    student.append(row(1, 0, 1, 1))
    again = relabel(NETWORK, [frame("a", row(1, 1, 0, 255))], [], PLAN, tmp_path)
    gc.collect()
    held = [os.readlink(path) for path in Path("/proc/self/fd").iterdir() if path.is_symlink()]
    assert not [name for name in held if name.startswith(str(tmp_path))]
    read = again.frames[0].read_labels
    assert len(pickle.dumps(read)) < 1000  # another process gets the path, not the labels
    assert read((0, 0, 1), (4, 4, 2))[0, 0].tolist() == [255, 255]


def test_the_anchor_is_the_teacher_not_the_round_before(tmp_path: Path, student: list[Labels]) -> None:
    student.append(row(1, 1))
    anchor, before = frame("a", row(1, 1)), frame("a", row(1, 255))
    again = relabel(NETWORK, [anchor], [before], PLAN, tmp_path)
    assert again.frames[0].read_labels((0, 0, 0), (4, 4, 4))[0, 0].tolist() == [1, 1, 0, 0]


def test_a_frame_without_agreement_is_left_out_of_the_round(tmp_path: Path, student: list[Labels]) -> None:
    student += [row(0, 0), row(1, 1)]
    anchors = [frame("a", row(1, 1)), frame("b", row(1, 1))]
    again = relabel(NETWORK, anchors, anchors, PLAN, tmp_path)
    assert [each.frame_id for each in again.frames] == ["b"]
    assert again.changed == pytest.approx(0.5)


def test_a_killed_run_does_not_label_twice(tmp_path: Path, student: list[Labels]) -> None:
    anchors = [frame("a", row(1, 1)), frame("b", row(1, 1))]
    student.append(row(1, 1))
    with pytest.raises(IndexError):  # the second frame finds no answer: as if killed there
        relabel(NETWORK, anchors, anchors, PLAN, tmp_path)
    student.append(row(1, 1))
    assert len(relabel(NETWORK, anchors, anchors, PLAN, tmp_path).frames) == 2
    assert student == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.npy", "b.npy"]


def test_label_set_is_named_by_its_content() -> None:
    names = {
        label_set_sha256([frame("a", row(1)), frame("b", row(2))]),
        label_set_sha256([frame("a", row(2)), frame("b", row(2))]),
        label_set_sha256([frame("a", row(1), "expert"), frame("b", row(2))]),
        label_set_sha256([frame("a", row(1))]),
    }
    assert len(names) == 4
    assert label_set_sha256([frame("b", row(2)), frame("a", row(1))]) in names
