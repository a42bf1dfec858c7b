"""Where one finding of one scan comes from: coronal slice, strip of relevance, and the slice that it names."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from components.models.relevance import Relevance
from components.models.triplet_place import SlicePlace
from components.volume.canonical import canonical_geometry
from components.volume.resample import resample
from components.volume.slices import WINDOWS
from components.volume.volume import Volume
from pipelines.figures.canvas import new_figure
from pipelines.figures.chest_views import SHOWN
from pipelines.figures.relevance_strip import axial_panel, coronal_panel, edges_mm, strip_panel

_SIDE, _HEAD, _LEFT, _STRIP, _GAP = 2.5, 0.45, 0.6, 0.3, 1.0  # inches
_FOOT = 0.3
_NARROWEST, _WIDEST = 1.2, 4.0  # of the coronal slice


def draw_relevance_view(volume: Volume, relevance: Relevance, finding: str, place: SlicePlace) -> Figure:
    """From left to right: coronal slice, strip, and the named axial slice in lung and mediastinal window.

    Args:
        volume: that was explained; the slice nearest to ``place`` is shown.
        finding: of the model.
        place: the slice at the finding's most relevant triplet, of any grid of the same patient.
    """
    shown = resample(volume, canonical_geometry(volume.geometry, None))
    z_mm, x_mm = edges_mm(shown, 0), edges_mm(shown, 2)
    wide = _SIDE * (x_mm[1] - x_mm[0]) / (z_mm[1] - z_mm[0])
    wide = min(max(wide, _NARROWEST), _WIDEST)
    lefts = [_LEFT, _LEFT + wide + 0.2, _LEFT + wide + 0.2 + _STRIP + _GAP]
    width, height = lefts[-1] + len(SHOWN) * (_SIDE + 0.15), _HEAD + _SIDE + _FOOT
    figure = new_figure(width, height)

    def panel(left: float, across: float) -> Axes:
        """Axes at a place in inches from the left."""
        return figure.add_axes((left / width, _FOOT / height, across / width, _SIDE / height))

    windows = [(WINDOWS[name].low_hu, WINDOWS[name].high_hu) for name in SHOWN]
    coronal_panel(panel(lefts[0], wide), shown, [place], windows[0])
    strip_panel(panel(lefts[1], _STRIP), relevance, finding, place, z_mm)
    for i, (name, window) in enumerate(zip(SHOWN, windows, strict=True)):
        axial_panel(panel(lefts[2] + i * (_SIDE + 0.15), _SIDE), shown, f"{name} window", place, window)
    return figure
