"""Volumes and label maps as NIfTI files: arrays ``(x, y, z)``, RAS mm, equal bytes for equal content."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import numpy.typing as npt

from components.adapters.ras_affine import ras_affine
from components.adapters.whole_file import write_whole
from components.errors import InputError
from components.volume.geometry import Geometry
from components.volume.volume import LabelMap, Volume

_SCANNER = 1  # NIfTI-1 xform code: coordinates of the scanner
_MILLIMETRES = 2


def write_nifti_volume(path: Path, volume: Volume) -> None:
    """Write HU as int16; ``path`` ends in ``.nii`` or ``.nii.gz`` and is replaced atomically."""
    _write(path, volume.voxels_hu, volume.geometry)


def write_nifti_labels(path: Path, label_map: LabelMap) -> None:
    """Write labels as uint8; the names are not kept, as NIfTI has no place for them."""
    _write(path, label_map.labels, label_map.geometry)


def nifti_gz(content: Volume | LabelMap) -> bytes:
    """The same file, in memory."""
    array = content.voxels_hu if isinstance(content, Volume) else content.labels
    return _packed(_image(array, content.geometry))


def _write(path: Path, array_zyx: npt.NDArray[Any], geometry: Geometry) -> None:
    if not path.name.endswith((".nii", ".nii.gz")):
        raise InputError(expected="a name ending in .nii or .nii.gz", got=path.name, hint="adding the ending")
    image = _image(array_zyx, geometry)
    write_whole(path, _packed(image) if path.name.endswith(".gz") else image)


def _image(array_zyx: npt.NDArray[Any], geometry: Geometry) -> bytes:
    image = nibabel.Nifti1Image(np.ascontiguousarray(array_zyx.T), ras_affine(geometry))
    image.set_sform(ras_affine(geometry), code=_SCANNER)
    image.set_qform(ras_affine(geometry), code=_SCANNER)
    image.header.set_xyzt_units(_MILLIMETRES)
    content: bytes = image.to_bytes()
    return content


def _packed(content: bytes) -> bytes:
    return gzip.compress(content, compresslevel=1, mtime=0)
