"""What the viewer needs from outside: the scans of a case, and what the model in use says about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from components.cohort.task import Task
from components.volume.volume import Volume

Layer = Literal["prediction", "doubt"]
"""What lies over a scan: the structures, or per voxel the probability in percent that the one shown is wrong."""


@dataclass(frozen=True, kw_only=True)
class SliceRelevance:
    """How much slices ``first`` to ``last`` (from 0, in the file's order) speak for a finding, in logits.

    ``position_mm``: LPS z of their centre.
    """

    value: float
    first: int
    last: int
    position_mm: float


@dataclass(frozen=True, kw_only=True)
class FrameReading:
    """What the model says of a frame.

    Args:
        outputs: scalars of ``FramePrediction``: volumes in ml, or probabilities.
        signals: of uncertainty, see ``components.scorecard.columns``; ``uncertainty`` is the one that thresholds judge.
        structures: of the label map, value 1 first; empty for a classifier.
        relevance: finding → triplets of slices, inferior to superior; empty where the model explains nothing.
    """

    outputs: Mapping[str, float]
    signals: Mapping[str, float]
    uncertainty: float
    structures: Sequence[str] = ()
    relevance: Mapping[str, Sequence[SliceRelevance]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class CaseReading:
    """As far as it is done.

    Args:
        model: name and version; empty when there is none, and ``problem`` says so.
        frames: frame_id → reading.
        failures: frame_id → why there is none.
        done: whether all frames were read, well or not.
    """

    model: str
    frames: Mapping[str, FrameReading] = field(default_factory=dict)
    failures: Mapping[str, str] = field(default_factory=dict)
    done: bool = False
    problem: str = ""


class Reading(Protocol):
    """Built by the composition root; may be called from several threads."""

    def scan(self, task: Task, frame: str) -> Volume:
        """On the grid that it was ingested on; ``InputError`` when it cannot be read."""
        ...

    def read(self, task: Task, frames: Sequence[Mapping[str, Any]]) -> CaseReading:
        """Of a case by its rows; what is missing is computed in the background, one case at a time."""
        ...

    def scan_file(self, task: Task, frame: str) -> bytes:
        """The same as ``.nii.gz``."""
        ...

    def layer_file(self, task: Task, frame: str, layer: Layer) -> bytes | None:
        """``.nii.gz`` on a grid of its own; ``None`` before the frame was read, or where the model draws nothing."""
        ...

    def close(self) -> None:
        """End the reading in the background after the frame that is being read."""
        ...
