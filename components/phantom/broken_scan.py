"""Scans that no reader can use, as they turn up in every archive."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

Fault = Literal["noise", "empty", "shuffled slices", "overflow"]
FAULTS: tuple[Fault, ...] = get_args(Fault)
Voxels = npt.NDArray[np.int16]


def broken(voxels_hu: Voxels, fault: Fault, rng: np.random.Generator) -> Voxels:
    """``voxels_hu`` ``(z, y, x)`` as the fault leaves them; HU stay in [-1024, 3071].

    ``noise``: nothing but noise; ``empty``: air over a table; ``shuffled slices``: a transfer that lost their order;
    ``overflow``: a wrong rescale slope that clips.
    """
    if fault == "shuffled slices":
        return voxels_hu[rng.permutation(len(voxels_hu))]
    if fault == "overflow":
        return _hu(voxels_hu.astype(np.float64) * rng.uniform(6, 10) + rng.uniform(-600, 600))
    if fault == "noise":
        return _hu(rng.normal(rng.uniform(-300, 300), rng.uniform(300, 600), voxels_hu.shape))
    air = rng.normal(-1000, 12, voxels_hu.shape)
    air[:, -max(1, voxels_hu.shape[1] // 10) :] += rng.uniform(700, 1000)
    return _hu(air)


def _hu(values: npt.NDArray[np.float64]) -> Voxels:
    return np.clip(np.rint(values), -1024, 3071).astype(np.int16)
