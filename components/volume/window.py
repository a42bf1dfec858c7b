"""Hounsfield units as a network sees them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from components.errors import ParameterError


def window_to_unit(hu: npt.NDArray[Any], low: float, high: float) -> npt.NDArray[np.float32]:
    """``hu`` clipped to ``[low, high]`` HU and scaled to [0, 1], float32, any shape."""
    if not low < high:
        raise ParameterError(expected="a window with low < high", got=f"[{low}, {high}]", hint="[-1000, 200]")
    values = np.clip(hu.astype(np.float32), low, high)
    values -= np.float32(low)
    values /= np.float32(high - low)
    return np.clip(values, 0.0, 1.0, out=values)
