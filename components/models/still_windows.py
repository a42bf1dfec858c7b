"""Which windows of a cine need not be run again: those that held nothing and in which nothing has moved.

In the frames between two full ones a window is skipped only if all of this holds:
1. no structure was seen, in any frame of the cine so far, inside it or within ``margin_mm`` of it; specks, that is
   groups of touching blocks of about ``block_mm`` that hold less than ``speck_ml`` in all, are none;
2. in every block of about ``block_mm`` that it touches, the mean HU differs by at most ``change_hu`` from the frame in
   which the window was last run.
The first frame is full, and after it at least every ``full_every``-th. So a structure that
appears late is missed only while it changes no block of its window by more than ``change_hu``, and then for at
most ``full_every - 1`` frames. A slow change adds up, since it is measured from when the window was last run.
A speck outside every other window is lost in the frames in which its window is skipped. The values are our choice.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from components.models.window_grid import Box, Shape, WindowGrid
from components.volume.geometry import Geometry
from components.volume.volume import Volume

Blocks = npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class StillRule:
    """See the module; ``full_every`` 1 runs every window of every frame."""

    margin_mm: float = 10.0
    speck_ml: float = 1.0
    block_mm: float = 8.0
    change_hu: float = 40.0
    full_every: int = 5


@dataclass(kw_only=True)
class StillWindows:
    """What is known of the frames of one cine so far; another grid starts anew.

    Held: per block where a structure was seen and its mean, and an embedding per window.
    """

    rule: StillRule = StillRule()
    _grid: Geometry | None = None
    _since_full: int = 0
    _seen: npt.NDArray[np.bool_] = field(default_factory=lambda: np.zeros((1, 1, 1), dtype=np.bool_))
    _blocks: Blocks = field(default_factory=lambda: np.zeros((1, 1, 1), dtype=np.float32))
    _last_run: dict[int, Blocks] = field(default_factory=dict)
    _embeddings: dict[int, npt.NDArray[np.float32]] = field(default_factory=dict)

    def skip(self, frame: Volume, windows: WindowGrid) -> frozenset[int]:
        """Numbers of the windows of ``frame`` that are not run."""
        if len(windows) == 1 or self.rule.full_every <= 1:
            return frozenset()
        if self._grid is None or not self._grid.matches(frame.geometry):
            self._begin(frame.geometry)
        side = self._block_shape(frame.geometry)
        self._blocks = block_means(frame.voxels_hu, side)
        if not self._last_run or self._since_full >= self.rule.full_every - 1:
            return frozenset()
        near, inside = windows.boxes(_voxels(self.rule.margin_mm, frame.geometry)), windows.boxes()
        return frozenset(
            i
            for i in range(len(windows))
            if self._still(i, inside[i], side) and not self._seen[_block_box(near[i], side)].any()
        )

    def learn(
        self,
        frame: Volume,
        windows: WindowGrid,
        skipped: Collection[int],
        labels: npt.NDArray[np.uint8],
        embeddings: Mapping[int, npt.NDArray[np.float32]],
    ) -> npt.NDArray[np.float32]:
        """Remember a frame; its embedding ``(d,)`` is the mean over windows, skipped ones as last run."""
        self._embeddings = {i: e for i, e in self._embeddings.items() if i in skipped} | dict(embeddings)
        if len(windows) > 1 and self.rule.full_every > 1:
            self._since_full = self._since_full + 1 if skipped else 0
            side = self._block_shape(frame.geometry)
            seen = structure_blocks(labels, side, self.rule.speck_ml / frame.geometry.voxel_volume_ml)
            self._seen = self._seen | seen
            for i, box in enumerate(windows.boxes()):
                if i not in skipped:
                    self._last_run[i] = self._blocks[_block_box(box, side)].copy()
        ordered = [self._embeddings[i] for i in sorted(self._embeddings)]
        return np.asarray(np.mean(ordered, axis=0), dtype=np.float32)

    def _begin(self, grid: Geometry) -> None:
        self._grid, self._since_full = grid, 0
        self._seen = np.zeros((1, 1, 1), dtype=np.bool_)
        self._last_run, self._embeddings = {}, {}

    def _still(self, number: int, box: Box, side: Shape) -> bool:
        if number not in self._last_run:
            return False
        change = np.abs(self._blocks[_block_box(box, side)] - self._last_run[number])
        return float(change.max()) <= self.rule.change_hu

    def _block_shape(self, grid: Geometry) -> Shape:
        return _voxels(self.rule.block_mm, grid)


def structure_blocks(
    labels: npt.NDArray[np.uint8], side: Shape, least_voxels: float
) -> npt.NDArray[np.bool_]:
    """Blocks ``(z, y, x)`` that hold a structure, without groups of touching blocks of fewer voxels in all."""
    counts, _ = _block_sums(labels != 0, side)
    groups, number = ndimage.label(counts > 0, structure=np.ones((3, 3, 3)))
    sizes = np.bincount(groups.ravel(), weights=counts.ravel(), minlength=number + 1)
    return np.asarray((groups > 0) & (sizes >= least_voxels)[groups])


def block_means(voxels_hu: npt.NDArray[np.int16], side: Shape) -> Blocks:
    """Means ``(z, y, x)`` of blocks of ``side`` voxels from corner 0; those at the end may be smaller."""
    sums, sizes = _block_sums(voxels_hu, side)
    return np.asarray(sums / sizes, dtype=np.float32)


def _block_sums(
    voxels: npt.NDArray[Any], side: Shape
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Sum of each block, and its number of voxels."""
    sums: npt.NDArray[Any] = voxels
    sizes = np.ones((1, 1, 1))
    for axis, (n, step) in enumerate(zip(voxels.shape, side, strict=True)):
        corners = np.arange(0, n, step)
        sums = np.add.reduceat(sums, corners, axis=axis, dtype=np.float64)
        sizes = sizes * np.diff(np.append(corners, n)).reshape([-1 if a == axis else 1 for a in range(3)])
    return sums, sizes


def _block_box(box: Box, side: Shape) -> Box:
    z, y, x = (slice(a.start // n, -(-a.stop // n)) for a, n in zip(box, side, strict=True))
    return z, y, x


def _voxels(mm: float, grid: Geometry) -> Shape:
    z, y, x = (max(1, round(mm / step)) for step in grid.spacing_mm)
    return z, y, x
