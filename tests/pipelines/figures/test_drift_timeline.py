from __future__ import annotations

import numpy as np
import pytest

from pipelines.figures.drift_timeline import Window, drift_timeline

WINDOWS = [
    Window("first", False, (("image", 0.9), ("outputs", 0.5))),
    Window("second", True, (("image", 0.0), ("outputs", 0.4))),
    Window("third", False, (("image", 0.3),)),
]


def test_each_channel_is_a_line_over_its_windows() -> None:
    (axes,) = drift_timeline(WINDOWS).axes
    lines = {line.get_label(): line.get_xydata().tolist() for line in axes.lines}
    assert lines["outputs"] == [[0, 0.5], [1, 0.4]]
    assert lines["image"][1] == pytest.approx([1, 1e-4])  # no logarithm of nothing
    low, high = axes.get_ylim()
    assert low > high  # the smaller p, the higher


def test_windows_that_alarmed_have_a_bar_behind_them() -> None:
    (axes,) = drift_timeline(WINDOWS).axes
    (bar,) = axes.patches
    corners = np.asarray(bar.get_extents().transformed(axes.transData.inverted()))
    assert corners[:, 0].mean() == pytest.approx(1.0)


def test_a_window_without_channels_is_a_gap() -> None:
    (axes,) = drift_timeline([Window("small", False, ())]).axes
    assert list(axes.lines) == []
