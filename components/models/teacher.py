"""The port for foundation models that write pseudo-labels."""

from __future__ import annotations

from typing import Protocol

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
        """Raises ``TeacherError`` when the teacher fails, times out or writes an unusable map."""
        ...
