"""The statistics are numpy's over the whole set at once, though it is read slab by slab."""

from __future__ import annotations

import numpy as np
import pytest

from components.errors import StateError
from components.models.fingerprint import fingerprint
from components.models.labeled import LabeledFrame, in_memory

SPACING = (2.0, 1.0, 1.5)


def frame(patient: str, labels: np.ndarray, hu: np.ndarray, reads: list | None = None) -> LabeledFrame:
    def read_hu(start, size):  # type: ignore[no-untyped-def]
        if reads is not None:
            reads.append(size)
        return in_memory(hu)(start, size)

    return LabeledFrame(
        frame_id=patient,
        patient_id=patient,
        provenance="expert",
        shape=labels.shape,  # type: ignore[arg-type]
        read_hu=read_hu,
        read_labels=in_memory(labels),
        foreground={},
    )


def test_statistics_agree_with_numpy_over_everything() -> None:
    generator = np.random.default_rng(0)
    arrays, frames, reads = [], [], []
    for i, depth in enumerate((70, 40, 33)):
        labels = np.zeros((depth, 20, 24), dtype=np.uint8)
        labels[5 : 30 + i, 3:15, 2 : 12 + i] = 1
        labels[6:9, 4:6, 3:5] = 4
        labels[0] = 255
        hu = generator.integers(-1024, 1500, labels.shape).astype(np.int16)
        arrays.append((labels, hu))
        frames.append(frame(f"p{i // 2}", labels, hu, reads))
    found = fingerprint(frames, SPACING)
    inside = np.concatenate([hu[(labels > 0) & (labels < 255)] for labels, hu in arrays])
    expected = np.percentile(inside, (0.5, 50, 99.5), method="inverted_cdf")
    assert found.foreground_hu == tuple(expected)
    assert (found.frames, found.patients, found.spacing_mm) == (3, 2, SPACING)
    assert found.shape == (40, 20, 24)
    assert found.extent == (26, 12, 11)
    sizes = [np.median([(labels == v).sum() for labels, _ in arrays]) * 3e-3 for v in (1, 4)]
    assert found.structure_ml == pytest.approx({1: sizes[0], 4: sizes[1]})
    assert max(size[0] for size in reads) <= 32


def test_frames_without_a_structure_are_refused() -> None:
    empty = np.zeros((4, 4, 4), dtype=np.uint8)
    with pytest.raises(StateError, match="labelled structures"):
        fingerprint([frame("p", empty, empty.astype(np.int16))], SPACING)
