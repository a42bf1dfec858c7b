"""What the error review shows of each scan: the scan at a glance, and where the wrong finding comes from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from components.models.prediction import FRAME_ERRORS
from components.models.relevance import Relevance
from components.operations.error_review import FindingErrors
from components.volume.geometry import Geometry
from components.volume.volume import Volume
from pipelines.figures.canvas import on_black
from pipelines.figures.chest_views import chest_views
from pipelines.figures.relevance_view import draw_relevance_view
from pipelines.progress import bar

Explain = Callable[[Volume], Relevance]


@dataclass(frozen=True, kw_only=True)
class Strip:
    """Where one finding of one scan comes from: a WebP, and the slice in words."""

    picture: bytes
    place: str


@dataclass(frozen=True, kw_only=True)
class ErrorPictures:
    """Args:
    views: frame_id → its picture, ``None`` where the scan cannot be read now.
    strips: (frame_id, finding) → where it comes from; missing where the model cannot tell.
    """

    views: dict[str, bytes | None] = field(default_factory=dict)
    strips: dict[tuple[str, str], Strip] = field(default_factory=dict)


def error_pictures(
    errors: Sequence[FindingErrors],
    load: Callable[[str], Volume],
    explain: Explain | None,
    native: Callable[[str], Geometry | None],
) -> ErrorPictures:
    """Of the scans in ``errors`` alone; each is read and explained once, and one volume is held at a time.

    Args:
        load: frame_id → volume.
        explain: ``None`` for a model that cannot say where its findings come from.
        native: frame_id → the grid that the scanner wrote, whose slices are named, where it is known.
    """
    shown: dict[str, list[str]] = {}
    for error in errors:
        for case in (*error.false_alarms, *error.misses):
            shown.setdefault(case.frame_id, []).append(error.finding)
    found = ErrorPictures()
    progress = bar("error review")
    for done, frame in enumerate(sorted(shown), start=1):
        _draw(found, frame, shown[frame], load, explain, native(frame))
        progress(done, len(shown))
    return found


def _draw(
    found: ErrorPictures,
    frame: str,
    findings: Sequence[str],
    load: Callable[[str], Volume],
    explain: Explain | None,
    native: Geometry | None,
) -> None:
    try:
        volume = load(frame)
        found.views[frame] = chest_views(volume)
    except FRAME_ERRORS:
        found.views[frame] = None
        return
    if explain is None:
        return
    try:
        relevance = explain(volume)
    except FRAME_ERRORS:  # a network without triplets, or a scan that it cannot take
        return
    of = "the scan as it was read" if native is not None else "the prepared scan"
    for finding in findings:
        place = relevance.place(finding, native or volume.geometry)
        picture = on_black(draw_relevance_view(volume, relevance, finding, place))
        counted = "feet" if place.from_feet else "head"
        words = f"{place} of {of}, counted from the {counted}"
        found.strips[frame, finding] = Strip(picture=picture, place=words)
