"""The grey window of a task's pictures."""

from __future__ import annotations

from components.cohort.task import Task

WINDOWS_HU: dict[Task, tuple[float, float]] = {
    "segmentation": (-200.0, 500.0),
    "classification": (-1000.0, 400.0),
}
