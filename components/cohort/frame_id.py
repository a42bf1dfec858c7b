"""The name of one frame, the same in tables, files, requests and the labeling protocol."""

from __future__ import annotations


def frame_id(case_id: str, phase_percent: float | None) -> str:
    """``CASE`` for a plain CT, ``CASE__phase-040`` for a cine frame at 40 % of the R-R interval."""
    return case_id if phase_percent is None else f"{case_id}__phase-{round(phase_percent):03d}"


def case_of(frame: str) -> str:
    """The case that a frame id belongs to."""
    return frame.split("__phase-", 1)[0]


def phase_of(frame: str) -> float | None:
    """The phase that a frame id names, in whole percent; ``None`` for a plain CT."""
    _, mark, phase = frame.rpartition("__phase-")
    return float(phase) if mark and phase.isdigit() else None
