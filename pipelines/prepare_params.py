"""Section ``prepare`` of params.yaml, one per task."""

from __future__ import annotations

from dataclasses import dataclass

from components.errors import ParameterError


@dataclass(frozen=True, kw_only=True)
class PrepareParams:
    """What frames and labels look like once they are prepared.

    Args:
        spacing_mm: along (z, y, x); ``None`` keeps each frame's own.
        min_voxels: a frame with fewer along an axis is quarantined.
        max_voxels: a frame with more in all is quarantined, before it fills the memory.
    """

    spacing_mm: tuple[float, float, float] | None
    min_voxels: int = 8
    max_voxels: int = 200_000_000

    def __post_init__(self) -> None:
        if self.spacing_mm is not None and not all(0.0 < step < 100.0 for step in self.spacing_mm):
            raise ParameterError(
                expected="spacing_mm in (0, 100) along (z, y, x)",
                got=str(self.spacing_mm),
                hint="[4.0, 4.0, 4.0]",
            )
