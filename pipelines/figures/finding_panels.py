"""A square panel for each finding, six in a row, in the unit square of two rates."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipelines.figures.canvas import new_figure, readable

_COLUMNS, _SIDE, _GAP, _TOP, _LEFT, _BOTTOM = 6, 1.5, 0.18, 0.42, 0.5, 0.55


def finding_panels(names: Sequence[str], *, across: str, up: str) -> tuple[Figure, list[Axes]]:
    """A figure with a titled panel per name, the diagonal drawn; ``across`` and ``up`` name its axes."""
    columns = min(_COLUMNS, max(len(names), 1))
    rows = max(1, -(-len(names) // columns))
    width = max(_LEFT + columns * (_SIDE + _GAP), 4.0)
    height = rows * (_SIDE + _TOP) + _BOTTOM
    figure = new_figure(width, height)
    panels = []
    for place, name in enumerate(names):
        row, column = divmod(place, columns)
        left, bottom = _LEFT + column * (_SIDE + _GAP), height - (row + 1) * (_SIDE + _TOP)
        axes = figure.add_axes((left / width, bottom / height, _SIDE / width, _SIDE / height))
        axes.plot([0, 1], [0, 1], color="0.6", linewidth=0.8, linestyle="--")
        axes.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03), xticks=(0, 0.5, 1), yticks=(0, 0.5, 1))
        last = place + columns >= len(names)
        axes.set_xticklabels(("0", "½", "1") if last else ())
        axes.set_yticklabels(("0", "½", "1") if not column else ())
        axes.tick_params(labelsize=8, length=2)
        axes.spines[["top", "right"]].set_visible(False)
        axes.set_title(_in_two_lines(readable(name)), fontsize=8, pad=4)
        panels.append(axes)
    middle = (_LEFT + columns * (_SIDE + _GAP) / 2) / width
    figure.text(middle, 0.12 / height, across, fontsize=9, ha="center")
    figure.text(0.12 / width, (_BOTTOM + height) / 2 / height, up, fontsize=9, va="center", rotation=90)
    return figure, panels


def _in_two_lines(words: str) -> str:
    """Broken at the space nearest to the middle, where the words are long."""
    spaces = [place for place, letter in enumerate(words) if letter == " "]
    if len(words) < 20 or not spaces:
        return words
    middle = min(spaces, key=lambda place: abs(place - len(words) / 2))
    return f"{words[:middle]}\n{words[middle + 1 :]}"
