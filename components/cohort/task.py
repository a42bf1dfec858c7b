"""The two tasks that share every stage."""

from __future__ import annotations

from typing import Literal

Task = Literal["segmentation", "classification"]
TASKS: tuple[Task, ...] = ("segmentation", "classification")
