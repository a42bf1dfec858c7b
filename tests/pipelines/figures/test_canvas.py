from __future__ import annotations

import io

import numpy as np
from matplotlib.image import imread

from pipelines.figures.canvas import COLOURS, DARK, LIGHT, new_figure, on_both_papers


def colours_of(image: bytes) -> set[str]:
    """Colours of the pixels that hide the paper."""
    pixels = imread(io.BytesIO(image))
    solid = (255 * pixels[pixels[..., 3] > 0.99][:, :3]).round().astype(int)
    return {f"#{red:02x}{green:02x}{blue:02x}" for red, green, blue in np.unique(solid, axis=0)}


def test_black_becomes_the_ink_of_each_paper_and_colours_stay() -> None:
    figure = new_figure(3.0, 2.0)
    axes = figure.add_subplot()
    axes.plot([0, 1], [0, 1], color=COLOURS[0], linewidth=6, label="a line")
    axes.plot([0, 1], [1, 0], color="#000000", linewidth=6)
    axes.set_title("a title", loc="left")
    axes.legend()
    light, dark = (colours_of(image) for image in on_both_papers(figure))
    assert LIGHT.ink in light
    assert DARK.ink in dark
    assert not {"#000000", "#ffffff", LIGHT.ink} & dark
    assert COLOURS[0].lower() in light & dark


def test_the_paper_shows_through() -> None:
    figure = new_figure(2.0, 2.0)
    figure.add_subplot().plot([0, 1], [0, 1])
    for image in on_both_papers(figure):
        pixels = imread(io.BytesIO(image))
        assert pixels[0, 0, 3] == 0
        assert (pixels[..., 3] == 0).mean() > 0.8
