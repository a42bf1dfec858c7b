"""The strip, the coronal slice and the axial slice name and show the same place."""

from __future__ import annotations

import dataclasses
import io

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from components.models.relevance import Relevance
from components.models.triplet_place import TripletGrid
from components.volume.geometry import Geometry
from components.volume.volume import Volume
from pipelines.figures.canvas import on_both_papers
from pipelines.figures.relevance_strip import draw_relevance
from tests.components.models.marked_scans import additive

NAMES = ("finding_0", "finding_1")


def scan(*, from_feet: bool = True) -> Volume:
    """18 slices of 2 mm; each slice's HU is its index."""
    affine = np.diag([0.0, 0.0, 0.0, 1.0])
    affine[2, 0], affine[1, 1], affine[0, 2] = (2.0 if from_feet else -2.0), 3.0, 4.0
    affine[2, 3] = 0.0 if from_feet else 34.0
    voxels = np.arange(18, dtype=np.int16)[:, None, None].repeat(10, axis=1).repeat(12, axis=2)
    return Volume(voxels_hu=voxels, geometry=Geometry(shape=(18, 10, 12), affine=affine))


def relevance(tops: tuple[int, ...]) -> Relevance:
    """Six triplets over the scan and a seventh of padding; finding i comes from triplet tops[i]."""
    real = np.arange(7) < 6
    says = np.full((len(tops), 7), -0.1) * real
    for row, top in enumerate(tops):
        says[row, top] = 2.0 + row
    grid = TripletGrid(
        geometry=Geometry.axis_aligned((21, 10, 12), (2.0, 3.0, 4.0)),
        slices_per_token=3,
        real_slices=real.repeat(3),
    )
    return dataclasses.replace(additive(says, says, real), grid=grid)


def draw(volume: Volume, explained: Relevance) -> Figure:
    return draw_relevance(volume, explained, explained.findings, window_hu=(-1000.0, 400.0))


@pytest.mark.parametrize("from_feet", [True, False])
def test_the_named_slice_is_the_one_that_is_shown(from_feet: bool) -> None:
    figure = draw(scan(from_feet=from_feet), relevance((4, 1)))
    coronal, first_strip, first_axial, second_strip, second_axial = figure.axes
    for strip, axial, from_below in ((first_strip, first_axial, 13), (second_strip, second_axial, 4)):
        number = from_below + 1 if from_feet else 18 - from_below
        assert strip.texts[0].get_text() == f"slice {number}\nof 18"
        assert f"slice {number} of 18" in axial.get_title(loc="left")
        assert set(np.unique(axial.images[0].get_array())) == {number - 1}
        assert strip.lines[0].get_ydata()[0] == 2.0 * from_below
    assert [line.get_ydata()[0] for line in coronal.lines] == [26.0, 8.0]
    assert coronal.get_ylim() == first_strip.get_ylim() == (-1.0, 35.0)


def test_zero_is_neutral_and_padding_has_no_colour() -> None:
    strip = draw(scan(), relevance((4, 1))).axes[1]
    mesh = strip.collections[0]
    assert mesh.norm.vmin == -mesh.norm.vmax == -2.0
    assert mesh.get_array().mask.ravel().tolist() == [False] * 6 + [True]
    red, green, blue, _ = mesh.cmap(mesh.norm(0.0))
    assert min(red, green, blue) > 0.95
    assert strip.get_xlabel() == "± 2"


def test_a_relevance_of_nothing_is_drawn() -> None:
    nothing = relevance((4, 1))
    nothing = dataclasses.replace(nothing, by_triplet=np.zeros((2, 7)))
    assert len(on_both_papers(draw(scan(), nothing))) == 2


def test_many_findings_fit_on_both_papers() -> None:
    figure = draw(scan(), relevance((0, 1, 2, 3, 4, 5)))
    light, dark = (Image.open(io.BytesIO(image)) for image in on_both_papers(figure))
    assert light.size == dark.size
    assert np.asarray(light).std() > 10
    assert not np.array_equal(np.asarray(light), np.asarray(dark))
    width, height = figure.get_size_inches() * figure.dpi
    for axes in figure.axes:
        box = axes.get_tightbbox()
        assert box.x0 >= -1 <= box.y0
        assert box.x1 <= width + 1
        assert box.y1 <= height + 1
