"""What a reader finds in a source: frames, and what it had to turn away."""

from __future__ import annotations

from dataclasses import dataclass, field

from components.volume.volume import Volume

FrameKey = tuple[str, int]
"""``source`` and ``index`` of a frame."""
OLDEST = 90.0


@dataclass(frozen=True, kw_only=True)
class Acquisition:
    """How a scan was made, and of whom: unknown text is empty, an unknown number ``None``.

    ``acquired_at`` is an ISO date; ``sex`` is F, M or O; ``age_years`` ends at ``OLDEST``, which stands for all above:
    such an age would identify people (HIPAA, 45 CFR 164.514(b)(2)(i)(C)).
    """

    site: str = ""
    manufacturer: str = ""
    model: str = ""
    kernel: str = ""
    kvp: float | None = None
    slice_thickness_mm: float | None = None
    acquired_at: str = ""
    sex: str = ""
    age_years: float | None = None


@dataclass(frozen=True, kw_only=True)
class StatedVoxels:
    """What a table says of the voxels of an image file, overruling the file; ``None`` and ``""`` say nothing.

    Args:
        rescale_slope, rescale_intercept: HU = stored value · slope + intercept (DICOM PS3.3 C.11.1.1.2); both or none.
        spacing_mm: between voxels along (z, y, x).
        orientation: anatomical directions of rising x, y, z, as ``Geometry.orientation``.
    """

    rescale_slope: float | None = None
    rescale_intercept: float | None = None
    spacing_mm: tuple[float, float, float] | None = None
    orientation: str = ""

    @property
    def is_empty(self) -> bool:
        """Whether the file's own word stands."""
        return self == StatedVoxels()


@dataclass(frozen=True, kw_only=True, eq=False)
class ScannedFrame:
    """One frame as the scanner wrote it.

    Args:
        source: path of the file, or of the series' first file, relative to the batch folder.
        patient_key: what identifies the patient in the file; ``None`` when the file cannot say.
        case_key: what identifies the case. Both keys name people: they are never printed and become
            pseudonyms before anything is kept.
        index: which frame of its file or series, from 0.
        phase_percent: of the R-R interval; ``None`` for a plain CT.
        volume: native grid.
        files: how many files it took, for progress.
    """

    source: str = field(repr=False)
    patient_key: str | None = field(repr=False)
    case_key: str = field(repr=False)
    index: int
    phase_percent: float | None
    volume: Volume = field(repr=False)
    acquisition: Acquisition
    files: int = 1


@dataclass(frozen=True, kw_only=True)
class Rejected:
    """A file or series that must not be used, and why; the reason names nobody."""

    source: str = field(repr=False)
    reason: str
    files: int = 1
