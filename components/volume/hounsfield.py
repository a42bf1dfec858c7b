"""Stored numbers as Hounsfield units, or the reason why they cannot be."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from components.errors import InputError

_RANGE = (-32768, 32767)
_TISSUE_HU = -500.0
_TISSUE_SHARE = 0.02


def to_hounsfield(values: npt.NDArray[Any]) -> npt.NDArray[np.int16]:
    """Rounded to int16; any real dtype and shape.

    ``InputError`` for values that are not finite, leave the int16 range, are constant, or are nowhere
    below 0 HU: fat or air is always in view, so such numbers are a label map, a photograph, or raw
    values without their intercept.
    """
    _check_contrast(*_checked_range(values))
    return _rounded(values)


def rescaled(stored: npt.NDArray[Any], slope: float, intercept: float) -> npt.NDArray[np.int16]:
    """``stored`` · ``slope`` + ``intercept`` in HU, rounded to int16; ``(z, y, x)``, one slice as floats at a time.

    ``InputError`` as in ``to_hounsfield``, and where less than 2 % is denser than −500 HU. A body in view fills more;
    bone alone, which is all that a second rescale with an intercept of −1024 leaves there, does not.
    """
    _check_kind(stored)
    voxels = np.empty(stored.shape, dtype=np.int16)
    tissue = 0
    for plane, out in zip(stored, voxels, strict=True):
        with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is refused below
            hounsfield = plane.astype(np.float64) * slope + intercept
        _checked_range(hounsfield)
        out[...] = _rounded(hounsfield)
        tissue += int((hounsfield > _TISSUE_HU).sum())
    if tissue < _TISSUE_SHARE * voxels.size:
        raise InputError(
            expected=f"{_TISSUE_SHARE:.0%} or more of the rescaled voxels above {_TISSUE_HU:g} HU",
            got=f"{tissue / voxels.size:.1%}",
            hint="leaving out rescale_slope and rescale_intercept: the file may hold Hounsfield units already",
        )
    _check_contrast(float(voxels.min()), float(voxels.max()))
    return voxels


def _check_contrast(low: float, high: float) -> None:
    if low == high:
        raise _refused("voxels that differ", f"the constant {low:g} HU")
    if low >= 0:
        raise _refused("fat or air below 0 HU somewhere", f"[{low:g}, {high:g}]")


def _checked_range(values: npt.NDArray[Any]) -> tuple[float, float]:
    """Least and greatest of values that are real, finite and fit into int16."""
    _check_kind(values)
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise _refused("finite voxels", "NaN or infinity")
    low, high = float(values.min()), float(values.max())
    if low < _RANGE[0] or high > _RANGE[1]:
        raise _refused(f"voxels in [{_RANGE[0]}, {_RANGE[1]}] HU", f"[{low:g}, {high:g}]")
    return low, high


def _check_kind(values: npt.NDArray[Any]) -> None:
    if values.dtype.kind not in "iuf":
        raise _refused("one number per voxel", f"voxels of type {values.dtype.name} (colour?)")


def _rounded(values: npt.NDArray[Any]) -> npt.NDArray[np.int16]:
    return (np.rint(values) if values.dtype.kind == "f" else values).astype(np.int16)


def _refused(expected: str, got: str) -> InputError:
    return InputError(expected=expected, got=got, hint="exporting the scan again in Hounsfield units")
