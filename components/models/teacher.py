"""The port for foundation models that write pseudo-labels."""

from __future__ import annotations

from typing import Protocol

from components.volume.geometry import Geometry
from components.volume.volume import LabelMap, Volume


class Teacher(Protocol):
    """Writes a label map for a frame, native grid in and out."""

    @property
    def name(self) -> str: ...

    @property
    def fingerprint(self) -> str:
        """sha256 of what determines its output (bundle content, command template and version)."""
        ...

    def label(self, volume: Volume) -> LabelMap:
        """Raises ``TeacherError`` when the teacher fails, times out or writes an unusable map.

        Must be safe to call from several threads.
        """
        ...

    def memory_mb(self, geometry: Geometry) -> float:
        """What labelling one frame of this grid takes at most, measured or estimated; infinite if unknown."""
        ...
