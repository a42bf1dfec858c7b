"""Which windows of a cine need not be run again: those in which nothing has moved.

In the frames between two full ones a window keeps the labels of the frame before if in every block of about
``block_mm`` that it touches the mean HU differs by at most ``change_hu`` from the frame in which it was last run.
So a surface between tissues that differ by c HU has moved by no more than ``block_mm * change_hu / c`` across a block
that it fills: 1.6 mm at 100 HU with the values below, which are our choice. What is thinner than a block and moves
inside it leaves the mean as it is, and is seen by the next full frame only. A slow change adds up, since it is
measured from when the window was last run, and the first frame and at least every ``full_every``-th are full. Noise
above the threshold costs speed, never accuracy.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from components.models.sliding_window import Shown
from components.models.window_grid import Box, Shape, WindowGrid
from components.volume.geometry import Geometry
from components.volume.volume import Volume

Blocks = npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class StillRule:
    """See the module; ``full_every`` 1 runs every window of every frame."""

    block_mm: float = 8.0
    change_hu: float = 20.0
    full_every: int = 5


@dataclass(kw_only=True)
class StillWindows:
    """What is known of the frames of one cine so far; another grid starts anew.

    Held: the last frame's labels, and per window its blocks' means and an embedding.
    """

    rule: StillRule = StillRule()
    shown: Shown | None = None
    _grid: Geometry | None = None
    _since_full: int = 0
    _blocks: Blocks = field(default_factory=lambda: np.zeros((1, 1, 1), dtype=np.float32))
    _last_run: dict[int, Blocks] = field(default_factory=dict)
    _embeddings: dict[int, npt.NDArray[np.float32]] = field(default_factory=dict)

    @property
    def of_one_frame(self) -> bool:
        """There are no frames before, or none is asked about."""
        return self.rule.full_every <= 1

    def skip(self, frame: Volume, windows: WindowGrid) -> frozenset[int]:
        """Numbers of the windows of ``frame`` that show what ``shown`` does."""
        if self._grid is None or not self._grid.matches(frame.geometry):
            self._grid, self._since_full, self.shown = frame.geometry, 0, None
            self._last_run, self._embeddings = {}, {}
        if len(windows) == 1 or self.of_one_frame:
            return frozenset()
        side = self._block_shape(frame.geometry)
        self._blocks = block_means(frame.voxels_hu, side)
        if self.shown is None or self._since_full >= self.rule.full_every - 1:
            return frozenset()
        return frozenset(i for i, box in enumerate(windows.boxes()) if self._still(i, box, side))

    def learn(
        self,
        frame: Volume,
        windows: WindowGrid,
        skipped: Collection[int],
        shown: Shown,
        embeddings: Mapping[int, npt.NDArray[np.float32]],
    ) -> npt.NDArray[np.float32]:
        """Remember a frame; its embedding ``(d,)`` is the mean over windows, skipped ones as last run."""
        self._embeddings = {i: e for i, e in self._embeddings.items() if i in skipped} | dict(embeddings)
        if len(windows) > 1 and not self.of_one_frame:
            self._since_full, self.shown = self._since_full + 1 if skipped else 0, shown
            side = self._block_shape(frame.geometry)
            for i, box in enumerate(windows.boxes()):
                if i not in skipped:
                    self._last_run[i] = self._blocks[_block_box(box, side)].copy()
        ordered = [self._embeddings[i] for i in sorted(self._embeddings)]
        return np.asarray(np.mean(ordered, axis=0), dtype=np.float32)

    def _still(self, number: int, box: Box, side: Shape) -> bool:
        if number not in self._last_run:
            return False
        change = np.abs(self._blocks[_block_box(box, side)] - self._last_run[number])
        return float(change.max()) <= self.rule.change_hu

    def _block_shape(self, grid: Geometry) -> Shape:
        z, y, x = (max(1, round(self.rule.block_mm / step)) for step in grid.spacing_mm)
        return z, y, x


def block_means(voxels_hu: npt.NDArray[np.int16], side: Shape) -> Blocks:
    """Means ``(z, y, x)`` of blocks of ``side`` voxels from corner 0; those at the end may be smaller."""
    sums: npt.NDArray[Any] = voxels_hu
    sizes = np.ones((1, 1, 1))
    for axis, (n, step) in enumerate(zip(voxels_hu.shape, side, strict=True)):
        corners = np.arange(0, n, step)
        sums = np.add.reduceat(sums, corners, axis=axis, dtype=np.float64)
        sizes = sizes * np.diff(np.append(corners, n)).reshape([-1 if a == axis else 1 for a in range(3)])
    return np.asarray(sums / sizes, dtype=np.float32)


def _block_box(box: Box, side: Shape) -> Box:
    z, y, x = (slice(a.start // n, -(-a.stop // n)) for a, n in zip(box, side, strict=True))
    return z, y, x
