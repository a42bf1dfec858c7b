"""The least and the most familiar cases of a window, as a reader would see them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from components.cohort.task import Task
from components.errors import InputError
from components.volume.volume import Volume
from pipelines.figures.drift_canvas import INK, canvas, png
from pipelines.figures.windows import WINDOWS_HU

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def novelty_gallery(
    scorecards: pd.DataFrame, load: Callable[[str], Volume], task: Task, *, per_side: int = 4
) -> bytes:
    """PNG: up to ``per_side`` least familiar cases on the left and as many most familiar on the right.

    Args:
        scorecards: of the window, with ``novelty``; each case is shown by its first frame.
        load: frame_id → volume in LPS orientation.
        task: chooses the grey window.
        per_side: cases on each side.
    """
    cases = scorecards.dropna(subset=["novelty"]).drop_duplicates("case_id")
    cases = cases.sort_values(["novelty", "case_id"], ascending=[False, True])
    side = min(per_side, max(len(cases) // 2, 1))
    shown = cases.head(side).to_dict("records") + cases.iloc[side:].tail(side).to_dict("records")
    figure = canvas(10.8, 3.3)
    panels = figure.subplots(2, max(len(shown), 1), squeeze=False)
    for axes in panels.ravel():
        axes.axis("off")
    for column, case in enumerate(shown):
        _case(list(panels[:, column]), load, str(case["frame_id"]), WINDOWS_HU[task])
        panels[0, column].set_title(
            _title(str(case["case_id"]), float(case["novelty"])), fontsize=8, color=INK
        )
    return png(figure)


def _title(case_id: str, novelty: float) -> str:
    short = case_id if len(case_id) <= 16 else case_id[:15] + "…"
    return f"{short}\nnovelty {novelty:.2f}"


def _case(
    panels: Sequence[Axes], load: Callable[[str], Volume], frame: str, window_hu: tuple[float, float]
) -> None:
    try:
        volume = load(frame)
    except (InputError, OSError):
        panels[0].text(0.5, 0.5, "unreadable", ha="center", color=INK)
        return
    z_mm, y_mm, x_mm = volume.geometry.spacing_mm
    middle = np.array(volume.voxels_hu.shape) // 2
    axial, coronal = volume.voxels_hu[middle[0]], volume.voxels_hu[::-1, middle[1]]
    for axes, plane, aspect in ((panels[0], axial, y_mm / x_mm), (panels[1], coronal, z_mm / x_mm)):
        axes.imshow(plane, cmap="gray", vmin=window_hu[0], vmax=window_hu[1], aspect=aspect)
