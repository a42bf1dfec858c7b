"""NRRD and MetaImage, through SimpleITK; its world is LPS as ours is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk  # noqa: N813 — the name its own documentation uses

from components.adapters.image_frames import ImageFrames, check_size
from components.errors import InputError
from components.volume.geometry import Geometry


def open_itk(path: Path) -> ImageFrames:
    """The frames of an ``.nrrd``, ``.nhdr``, ``.mha`` or ``.mhd`` file; a fourth axis is the cardiac cycle.

    ``InputError`` for colour and for five axes and more.
    """
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    reader.ReadImageInformation()
    if reader.GetNumberOfComponents() != 1:
        raise _refused("one number per voxel", f"{reader.GetNumberOfComponents()} components (colour?)")
    if reader.GetDimension() not in (3, 4):
        raise _refused("three axes, or four with the phases last", f"{reader.GetDimension()} axes")
    size = [int(n) for n in reader.GetSize()]
    check_size(size[:3])
    if reader.GetDimension() == 3:
        image = reader.Execute()
        return ImageFrames(geometry=_geometry(image), count=1, voxels=lambda _: _array(image))

    def frame(index: int) -> Any:
        reader.SetExtractIndex([0, 0, 0, index])
        reader.SetExtractSize([*size[:3], 0])
        return reader.Execute()

    return ImageFrames(geometry=_geometry(frame(0)), count=size[3], voxels=lambda i: _array(frame(i)))


def _array(image: Any) -> npt.NDArray[Any]:
    return np.asarray(sitk.GetArrayFromImage(image))


def _geometry(image: Any) -> Geometry:
    steps = np.array(image.GetDirection()).reshape(3, 3) * np.array(image.GetSpacing())
    affine = np.eye(4)
    affine[:3, :3] = steps[:, ::-1]
    affine[:3, 3] = image.GetOrigin()
    x, y, z = (int(n) for n in image.GetSize())
    return Geometry(shape=(z, y, x), affine=affine)


def _refused(expected: str, got: str) -> InputError:
    return InputError(expected=expected, got=got, hint="exporting the scan again")
