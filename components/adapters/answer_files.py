"""Label maps and findings as experts' tools write them: NIfTI, NRRD, Slicer's .seg.nrrd, MetaImage, CSV."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from components.adapters.image_frames import MOST_VOXELS
from components.adapters.ras_affine import geometry_from_ras
from components.adapters.unreadable import damage
from components.errors import InputError
from components.labeling.drawn_label_map import DrawnLabelMap
from components.volume.geometry import Geometry

LABEL_MAP_ENDINGS = (".nii.gz", ".nii", ".seg.nrrd", ".nrrd", ".mha")


def read_drawn_label_map(path: Path) -> DrawnLabelMap:
    """Read a label map with its grid and segment names; ``InputError`` when it cannot be read."""
    name = path.name.lower()
    if not name.endswith(LABEL_MAP_ENDINGS):
        raise InputError(
            expected="a file ending in " + ", ".join(LABEL_MAP_ENDINGS),
            got=path.name,
            hint="exporting it as NIfTI",
        )
    with _reading(path):
        return _read_nifti(path) if name.endswith((".nii", ".nii.gz")) else _read_itk(path)


def read_findings_table(path: Path) -> tuple[tuple[str, ...], tuple[Mapping[str, str], ...]]:
    """The column names and the rows of a CSV with ``,`` or ``;``; ``InputError`` when it is no table."""
    with _reading(path):
        text = path.read_text(encoding="utf-8-sig")
        first = text.split("\n", 1)[0]
        reader = csv.DictReader(
            text.splitlines(), delimiter=";" if first.count(";") > first.count(",") else ",", strict=True
        )
        columns = tuple(name.strip() for name in reader.fieldnames or ())
        reader.fieldnames = columns
        rows = []
        for number, row in enumerate(reader, start=2):
            if None in row or None in row.values():
                raise InputError(
                    expected=f"{len(columns)} cells in line {number} of {path.name}",
                    got="fewer or more",
                    hint="saving the table again as CSV",
                )
            rows.append({str(key): str(value) for key, value in row.items()})
    return columns, tuple(rows)


def _read_nifti(path: Path) -> DrawnLabelMap:
    import nibabel

    image = nibabel.load(path)
    shape = _three_sizes(tuple(image.shape))
    # the data type of the file, without scaling to float unless the header asks for it
    data: npt.NDArray[Any] = np.asanyarray(image.dataobj).reshape(shape)
    geometry = geometry_from_ras(shape, np.asarray(image.affine, dtype=np.float64))
    return DrawnLabelMap(labels=data.transpose(2, 1, 0), geometry=geometry)


def _read_itk(path: Path) -> DrawnLabelMap:
    import SimpleITK

    reader = SimpleITK.ImageFileReader()
    reader.SetFileName(str(path))
    reader.ReadImageInformation()
    x, y, z = _three_sizes(tuple(reader.GetSize()))
    image = reader.Execute()
    header = {key: image.GetMetaData(key) for key in image.GetMetaDataKeys()}
    affine = np.eye(4)
    affine[:3, :3] = _first_three(image.GetDirection(), len(reader.GetSize())) * image.GetSpacing()[:3]
    affine[:3, 3] = image.GetOrigin()[:3]
    components = image.GetNumberOfComponentsPerPixel()
    voxels = SimpleITK.GetArrayFromImage(image).reshape((z, y, x, components))
    labels, segments = _flatten(voxels, header)
    geometry = Geometry(shape=(z, y, x), affine=affine[:, [2, 1, 0, 3]])
    cropped = "Segmentation_ReferenceImageExtentOffset" in header
    return DrawnLabelMap(labels=labels, geometry=geometry, segments=segments, cropped=cropped)


def _flatten(voxels: npt.NDArray[Any], header: Mapping[str, str]) -> tuple[npt.NDArray[Any], dict[int, str]]:
    """Slicer keeps overlapping segments in layers, ``(z, y, x, layer)``; a label map has one per voxel."""
    numbers = sorted(int(found[1]) for key in header if (found := re.fullmatch(r"Segment(\d+)_Name", key)))
    listed = [
        (
            int(header.get(f"Segment{number}_Layer", 0)),
            int(header.get(f"Segment{number}_LabelValue", number + 1)),
            header[f"Segment{number}_Name"],
        )
        for number in numbers
    ]
    if voxels.shape[-1] == 1:
        return voxels[..., 0], {value: name for _, value, name in listed}
    labels = np.zeros(voxels.shape[:-1], dtype=np.uint8)
    for new, (layer, value, name) in enumerate(listed, start=1):
        inside = voxels[..., layer] == value
        if labels[inside].any():
            raise InputError(
                expected="segments that do not overlap",
                got=f"{name!r} overlapping another one",
                hint="Slicer's masking option “overwrite other segments: all”, then saving again",
            )
        labels[inside] = new
    return labels, {new: name for new, (_, _, name) in enumerate(listed, start=1)}


def _three_sizes(sizes: tuple[int, ...]) -> tuple[int, int, int]:
    kept = sizes[:3] if all(size == 1 for size in sizes[3:]) else sizes
    if len(kept) != 3 or np.prod(kept, dtype=np.float64) > MOST_VOXELS:
        raise InputError(
            expected="one 3D label map", got=f"sizes {sizes}", hint="saving the segmentation of one frame"
        )
    a, b, c = kept
    return a, b, c


def _first_three(direction: tuple[float, ...], dimensions: int) -> npt.NDArray[np.float64]:
    return np.array(direction, dtype=np.float64).reshape(dimensions, dimensions)[:3, :3]


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Readers raise many kinds of error for a damaged file; each becomes one sentence without a path."""
    damaged: tuple[type[Exception], ...] = (*damage(), csv.Error)
    try:
        yield
    except damaged as error:
        raise InputError(
            expected=f"a readable {path.suffix.lstrip('.')} file in {path.name}",
            got=type(error).__name__,
            hint="opening it in the tool that wrote it and saving it again",
        ) from error
