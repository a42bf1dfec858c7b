"""The row of the error review shows the slice that it names, whichever grid the name is of."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from components.volume.geometry import Geometry
from pipelines.figures.canvas import on_black
from pipelines.figures.relevance_view import draw_relevance_view
from tests.pipelines.figures.test_relevance_strip import relevance, scan


@pytest.mark.parametrize("thickness", [2.0, 1.0])
def test_the_named_slice_is_shown_in_both_windows(thickness: float) -> None:
    """The scan of 18 slices of 2 mm (HU = index) was read with slices of 1 or 2 mm; triplet 4 has its slice 13."""
    volume, explained = scan(), relevance((4, 1))
    count = round(36 / thickness)
    native = Geometry.axis_aligned((count, 10, 12), (thickness, 3.0, 4.0), (0.0, 0.0, thickness / 2 - 1.0))
    place = explained.place("finding_0", native)
    figure = draw_relevance_view(volume, explained, "finding_0", place)
    coronal, strip, lung, mediastinal = figure.axes
    assert strip.texts[0].get_text() == f"slice {place.number}\nof {count}"
    for axial in (lung, mediastinal):
        assert f"slice {place.number} of {count}" in axial.get_title(loc="left")
        assert set(np.unique(axial.images[0].get_array())) == {13}
    assert lung.images[0].get_clim() != mediastinal.images[0].get_clim()
    assert strip.lines[0].get_ydata()[0] == coronal.lines[0].get_ydata()[0] == 26.0
    assert strip.get_ylim() == coronal.get_ylim()


def test_the_picture_is_whole_on_black_and_the_same_again() -> None:
    volume, explained = scan(), relevance((4, 1))
    figure = draw_relevance_view(
        volume, explained, "finding_1", explained.place("finding_1", volume.geometry)
    )
    width, height = figure.get_size_inches() * figure.dpi
    for axes in figure.axes:
        box = axes.get_tightbbox()
        assert box.x0 >= -1 <= box.y0
        assert box.x1 <= width + 1
        assert box.y1 <= height + 1
    picture = on_black(figure)
    pixels = np.asarray(Image.open(io.BytesIO(picture)))
    assert pixels[0, 0].max() < 10
    assert pixels.max() > 200
    assert on_black(figure) == picture
