"""Where the windows of a sliding window lie. Torch-free."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

Shape = tuple[int, int, int]
Box = tuple[slice, slice, slice]


@dataclass(frozen=True, kw_only=True)
class WindowGrid:
    """Windows of one size that cover a volume.

    Args:
        volume: voxels along (z, y, x).
        size: of a window, in voxels; larger than the volume along an axis where the volume is too small.
        starts: corners along z, y and x, rising; the last window is flush with the volume's end.
    """

    volume: Shape
    size: Shape
    starts: tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]

    @staticmethod
    def over(volume: Shape, *, patch: Shape, stride: int, overlap: float = 0.25) -> WindowGrid:
        """As few evenly spread windows as the overlap allows; one when the volume fits.

        Args:
            volume: voxels along (z, y, x).
            patch: largest window in voxels, rounded down to multiples of ``stride``.
            stride: the sides of a window are multiples of this.
            overlap: share of a window that its neighbour covers at least.
        """
        size = _window(volume, patch, stride)
        z, y, x = (_starts(max(n, w), w, overlap) for n, w in zip(volume, size, strict=True))
        return WindowGrid(volume=volume, size=size, starts=(z, y, x))

    def __len__(self) -> int:
        z, y, x = self.starts
        return len(z) * len(y) * len(x)

    @property
    def padded(self) -> Shape:
        """The volume, grown to one window where it is smaller."""
        z, y, x = (max(n, w) for n, w in zip(self.volume, self.size, strict=True))
        return z, y, x

    def bands(self) -> Iterator[tuple[int, int, list[tuple[int, int, int]]]]:
        """Per z: the start, the slices that no later window touches, and (number, y, x) of its windows."""
        z_starts, y_starts, x_starts = self.starts
        plane = list(product(y_starts, x_starts))
        for i, z in enumerate(z_starts):
            following = z_starts[i + 1] if i + 1 < len(z_starts) else self.padded[0]
            yield z, following - z, [(i * len(plane) + j, y, x) for j, (y, x) in enumerate(plane)]

    def boxes(self, margin: Shape = (0, 0, 0)) -> list[Box]:
        """The part of the volume within ``margin`` voxels of each window, in the order of their numbers."""
        return [self._box(corner, margin) for corner in product(*self.starts)]

    def _box(self, corner: tuple[int, ...], margin: Shape) -> Box:
        z, y, x = (
            slice(max(0, a - m), min(n, a + w + m))
            for a, w, n, m in zip(corner, self.size, self.volume, margin, strict=True)
        )
        return z, y, x


def _window(volume: Shape, patch: Shape, stride: int) -> Shape:
    largest = (max(stride, n // stride * stride) for n in patch)
    z, y, x = (min(p, -(-n // stride) * stride) for n, p in zip(volume, largest, strict=True))
    if z == y == x == stride:  # a single voxel at the deepest level has no spread to normalise
        z = 2 * stride
    return z, y, x


def _starts(length: int, window: int, overlap: float) -> tuple[int, ...]:
    if length == window:
        return (0,)
    step = max(1, int(window * (1.0 - overlap)))
    count = -(-(length - window) // step) + 1
    return tuple(round(i * (length - window) / (count - 1)) for i in range(count))
