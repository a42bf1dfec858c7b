from __future__ import annotations

import io
import itertools

import numpy as np
from PIL import Image

from components.volume.geometry import Geometry
from components.volume.volume import LabelMap, Volume
from pipelines.figures.cine import CineFrame, draw_cine
from pipelines.figures.outlines import outlined_slice, structure_colour

GRID = Geometry.axis_aligned((10, 12, 14), (6.0, 3.0, 3.0))
NAMES = {1: "left_ventricle"}


def frame(phase: float, size: int, *, predicted: bool = True) -> CineFrame:
    labels = np.zeros(GRID.shape, dtype=np.uint8)
    labels[3:7, 3 : 3 + size, 3 : 3 + size] = 1
    label_map = LabelMap(labels=labels, geometry=GRID, names=NAMES)
    volume = Volume(voxels_hu=300 * labels.astype(np.int16), geometry=GRID)
    return CineFrame(
        phase_percent=phase,
        volume=volume,
        predicted=label_map if predicted else None,
        expert=label_map if phase == 0 else None,
    )


def drawn() -> tuple[Image.Image, Image.Image]:
    frames = (frame(25.0 * i, 6 - i, predicted=i != 2) for i in range(4))
    cine = draw_cine(frames, ("left_ventricle",), caption="a case", window_hu=(-200.0, 500.0))
    return Image.open(io.BytesIO(cine.animation)), Image.open(io.BytesIO(cine.still))


def test_one_picture_per_phase_that_moves() -> None:
    animation, still = drawn()
    assert (animation.format, animation.n_frames, animation.info["loop"]) == ("WEBP", 4, 0)
    assert (still.format, still.size) == ("PNG", animation.size)
    pictures = []
    for place in range(4):
        animation.seek(place)
        pictures.append(np.asarray(animation.convert("RGB")).astype(int))
    moved = [np.abs(first - second).mean() for first, second in itertools.pairwise(pictures)]
    assert min(moved) > 0.1
    assert np.abs(pictures[0] - np.asarray(still.convert("RGB")).astype(int)).mean() < 3.0


def test_outlines_stand_at_the_borders_and_the_head_is_above() -> None:
    labels = np.zeros(GRID.shape, dtype=np.uint8)
    labels[7:9, 2:10, 2:10] = 1
    label_map = LabelMap(labels=labels, geometry=GRID, names=NAMES)
    volume = Volume(voxels_hu=np.full(GRID.shape, -1000, np.int16), geometry=GRID)
    picture = outlined_slice(
        volume, label_map, None, plane=1, index=5, pixels_per_mm=2.0, window_hu=(-200.0, 500.0)
    )
    assert picture.shape == (120, 84, 3)
    red, green, blue = (int(structure_colour(1)[i : i + 2], 16) for i in (1, 3, 5))
    rows, columns = np.nonzero((picture == (red, green, blue)).all(axis=2))
    # z = 7 and 8 of 10 slices of 12 pixels: rows 12 to 35 from above
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (12, 35, 12, 59)
    assert not picture[18:30, 20:50].any()


def test_the_experts_outline_is_dashed_white() -> None:
    labels = np.zeros(GRID.shape, dtype=np.uint8)
    labels[:, 3:9, 3:9] = 1
    label_map = LabelMap(labels=labels, geometry=GRID, names=NAMES)
    volume = Volume(voxels_hu=np.full(GRID.shape, -1000, np.int16), geometry=GRID)
    picture = outlined_slice(
        volume, None, label_map, plane=0, index=5, pixels_per_mm=2.0, window_hu=(-200.0, 500.0)
    )
    white = (picture == 255).all(axis=2)
    row = white[18]
    assert row.any()
    assert not row[18:54].all()
