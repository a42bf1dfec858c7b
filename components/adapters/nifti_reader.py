"""NIfTI: a 3D file is one frame, the fourth axis of a 4D file is the cardiac cycle."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import numpy.typing as npt

from components.adapters.image_frames import ImageFrames, check_size
from components.adapters.ras_affine import geometry_from_ras
from components.errors import InputError


def open_nifti(path: Path, *, oriented: bool = True) -> ImageFrames:
    """The frames of a ``.nii`` or ``.nii.gz`` file, read one at a time.

    ``InputError`` for five axes and more, colour, units other than mm, or, unless ``oriented`` is off because
    someone else knows it, a file without orientation (sform and qform codes both 0; NIfTI-1 standard, section
    "3D image orientation").
    """
    # The open handle lets the frames of a gzipped 4D file stream past once, in order.
    image: Any = nibabel.load(path, keep_file_open=True)
    if not isinstance(image, nibabel.Nifti1Image):
        raise _refused("a NIfTI image", type(image).__name__)
    shape = tuple(int(n) for n in image.shape)
    while len(shape) > 3 and shape[-1] == 1:
        shape = shape[:-1]
    if len(shape) not in (3, 4):
        raise _refused("three axes, or four with the phases last", f"{len(image.shape)} axes")
    check_size(shape[:3])
    if image.get_data_dtype().fields is not None:
        raise _refused("one number per voxel", "colour")
    if oriented and int(image.header["sform_code"]) == 0 and int(image.header["qform_code"]) == 0:
        raise _refused("an orientation (sform or qform code above 0)", "none")
    if image.header.get_xyzt_units()[0] not in ("mm", "unknown"):
        raise _refused("millimetres", str(image.header.get_xyzt_units()[0]))

    def voxels(index: int) -> npt.NDArray[Any]:
        where: tuple[Any, ...] = (..., index) if len(shape) == 4 else (...,)
        return np.asarray(image.dataobj[where]).reshape(shape[:3]).transpose(2, 1, 0)

    return ImageFrames(
        geometry=geometry_from_ras((shape[0], shape[1], shape[2]), image.affine),
        count=shape[3] if len(shape) == 4 else 1,
        voxels=voxels,
    )


def _refused(expected: str, got: str) -> InputError:
    return InputError(expected=expected, got=got, hint="exporting the scan again")
