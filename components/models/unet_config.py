"""Sizes of the 3D U-Net, and which windows it can see. Torch-free."""

from __future__ import annotations

from dataclasses import dataclass

from components.errors import ParameterError


@dataclass(frozen=True, kw_only=True)
class UNetConfig:
    """Sizes of the network.

    Args:
        classes: structures and background.
        widths: channels per resolution, finest first; each step halves the grid.
        stem_stride: 1 works on the full grid; 2 halves it in the first convolution and doubles it in the
            heads, about four times faster.
        heads: members.
    """

    classes: int
    widths: tuple[int, ...] = (16, 32, 64)
    stem_stride: int = 2
    heads: int = 3

    def __post_init__(self) -> None:
        sizes = (self.classes - 1, self.heads, *self.widths)
        if min(sizes) < 1 or len(self.widths) < 2 or self.stem_stride not in (1, 2):
            raise ParameterError(
                expected="2 or more classes, 1 or more heads, 2 or more positive widths, stem_stride 1 or 2",
                got=repr(self),
                hint="correcting the train section of params.yaml",
            )

    @property
    def stride(self) -> int:
        """Every side of an input must be a multiple of this many voxels."""
        return int(self.stem_stride * 2 ** (len(self.widths) - 1))

    def check_patch(self, patch: tuple[int, int, int]) -> None:
        """``ParameterError`` unless the network can see a window of ``patch`` voxels along (z, y, x).

        One stride along every axis is a single voxel at the deepest level, which has no spread to normalise.
        """
        stride = self.stride
        if min(patch) > 0 and max(patch) > stride and not any(side % stride for side in patch):
            return
        nearest = [max(2, -(-side // stride)) * stride for side in patch]
        raise ParameterError(
            expected=f"a patch whose sides are multiples of {stride} voxels, one of them longer than {stride}, "
            f"as stem_stride {self.stem_stride} and {len(self.widths)} widths need",
            got=str(list(patch)),
            hint=f"patch: {nearest} in the train section of params.yaml",
        )
