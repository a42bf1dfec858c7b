"""Stored numbers as Hounsfield units, or the reason why they cannot be."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from components.errors import InputError

_RANGE = (-32768, 32767)


def to_hounsfield(values: npt.NDArray[Any]) -> npt.NDArray[np.int16]:
    """Rounded to int16; any real dtype and shape.

    ``InputError`` for values that are not finite, leave the int16 range, are constant, or are nowhere
    below 0 HU: fat or air is always in view, so such numbers are a label map, a photograph, or raw
    values without their intercept.
    """
    if values.dtype.kind not in "iuf":
        raise _refused("one number per voxel", f"voxels of type {values.dtype.name} (colour?)")
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise _refused("finite voxels", "NaN or infinity")
    low, high = float(values.min()), float(values.max())
    if low < _RANGE[0] or high > _RANGE[1]:
        raise _refused(f"voxels in [{_RANGE[0]}, {_RANGE[1]}] HU", f"[{low:g}, {high:g}]")
    if low == high:
        raise _refused("voxels that differ", f"the constant {low:g} HU")
    if low >= 0:
        raise _refused("fat or air below 0 HU somewhere", f"[{low:g}, {high:g}]")
    return (np.rint(values) if values.dtype.kind == "f" else values).astype(np.int16)


def _refused(expected: str, got: str) -> InputError:
    return InputError(expected=expected, got=got, hint="exporting the scan again in Hounsfield units")
