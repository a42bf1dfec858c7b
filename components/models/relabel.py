"""Between two rounds of self-training the student labels every frame again; teacher and experts stay.

The labels lie in files, so that any number of frames fits and a killed run does not label a frame twice.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from components.models.agreement import agreed_labels
from components.models.labeled import UNKNOWN, LabeledFrame, Shape, in_memory, sample_foreground
from components.models.training_plan import SegmentationPlan
from components.models.unet import UNet
from components.models.whole_frame import Labeller

Labels = npt.NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True, eq=False)
class Relabelled:
    """Args:
    frames: with the labels for the next round; a frame without any known structure is left out.
    changed: mean over the frames of 1 - Dice of the known structures against the labels of the round before.
    ignored: share of the voxels that anybody calls a structure whose label is unknown: teacher and student disagree,
        or the teacher is silent and the student unsure.
    """

    frames: Sequence[LabeledFrame]
    changed: float
    ignored: float


def relabel(
    network: UNet,
    anchors: Sequence[LabeledFrame],
    before: Sequence[LabeledFrame],
    plan: SegmentationPlan,
    folder: Path,
) -> Relabelled:
    """Labels for the next round, in ``folder`` (one file per frame; those that are there are kept).

    Args:
        network: the student of this round.
        anchors: the frames with their labels as the teacher (and the experts) gave them.
        before: the frames with the labels that this student learned from.
    """
    folder.mkdir(parents=True, exist_ok=True)
    earlier = {frame.frame_id: frame for frame in before}
    labeller = Labeller.of(network, plan)
    frames, changed, ignored = [], [], []
    for anchor in anchors:
        if anchor.provenance == "expert":
            frames.append(anchor)
            continue
        labels = _labels(labeller, anchor, folder / f"{anchor.frame_id}.npy")
        known = earlier.get(anchor.frame_id, anchor).read_labels((0, 0, 0), anchor.shape)
        changed.append(_changed(known, labels))
        ignored.append(_ignored(labels))
        foreground = sample_foreground(labels, np.random.default_rng(plan.seed))
        if foreground:
            read = partial(_crop_of_file, folder / f"{anchor.frame_id}.npy")
            frames.append(dataclasses.replace(anchor, read_labels=read, foreground=foreground))
    return Relabelled(
        frames=frames,
        changed=float(np.mean(changed)) if changed else 0.0,
        ignored=float(np.mean(ignored)) if ignored else 0.0,
    )


def label_set_sha256(frames: Sequence[LabeledFrame]) -> str:
    """Names the labels of a round: over (frame, provenance, content), frame by frame."""
    rows = [
        [f.frame_id, f.provenance, hashlib.sha256(_content(f.read_labels((0, 0, 0), f.shape))).hexdigest()]
        for f in sorted(frames, key=lambda frame: frame.frame_id)
    ]
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def _labels(labeller: Labeller, anchor: LabeledFrame, path: Path) -> Labels:
    if not path.is_file():
        whole = (0, 0, 0), anchor.shape
        said, anchored = labeller.say(anchor.read_hu(*whole)), anchor.read_labels(*whole)
        confident = labeller.plan.confident
        labels = agreed_labels(anchored, said.labels, said.members, said.confidence, confident=confident)
        unfinished = path.with_name(f".{path.name}.{os.getpid()}")
        with unfinished.open("wb") as file:
            np.save(file, labels, allow_pickle=False)
        os.replace(unfinished, path)
    mapped: Labels = np.load(path, mmap_mode="r", allow_pickle=False)
    return mapped


def _crop_of_file(path: Path, corner: Shape, size: Shape) -> Labels:
    """Opened anew each time: a map kept open holds a file descriptor, and another process would copy it whole."""
    whole: Labels = np.load(path, mmap_mode="r", allow_pickle=False)
    return in_memory(whole)(corner, size).copy()


def _changed(before: Labels, now: Labels) -> float:
    """1 - Dice of "a structure, and the same one"; 0 where neither knows any."""
    first, second = _structure(before), _structure(now)
    total = int(first.sum()) + int(second.sum())
    return 1.0 - 2.0 * int((first & second & (before == now)).sum()) / total if total else 0.0


def _ignored(labels: Labels) -> float:
    asked = int((labels != 0).sum())
    return int((labels == UNKNOWN).sum()) / asked if asked else 0.0


def _structure(labels: Labels) -> npt.NDArray[np.bool_]:
    return np.asarray((labels != 0) & (labels != UNKNOWN))


def _content(labels: Labels) -> bytes:
    return np.ascontiguousarray(labels).tobytes()
