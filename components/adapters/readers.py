"""One door for every file of a source: frames out, or the reason why not."""

from __future__ import annotations

import os
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from components.adapters.image_frames import ImageFrames, regridded
from components.adapters.unreadable import reason_of, unusable
from components.cohort.scan import Acquisition, FrameKey, Rejected, ScannedFrame, StatedVoxels
from components.errors import InputError
from components.volume.hounsfield import rescaled, to_hounsfield
from components.volume.volume import LabelMap, Volume

Opener = Callable[[Path, StatedVoxels], ImageFrames]


def _nifti(path: Path, stated: StatedVoxels) -> ImageFrames:
    from components.adapters.nifti_reader import open_nifti  # each library is paid for where it is needed

    return regridded(open_nifti(path, oriented=not stated.orientation), stated)


def _itk(path: Path, stated: StatedVoxels) -> ImageFrames:
    from components.adapters.itk_reader import open_itk

    return regridded(open_itk(path), stated)


def _npz(path: Path, stated: StatedVoxels) -> ImageFrames:
    from components.adapters.npz_reader import open_npz

    return open_npz(path, stated)


_IMAGES: dict[str, Opener] = {
    ".nii": _nifti,
    ".nii.gz": _nifti,
    ".nrrd": _itk,
    ".nhdr": _itk,
    ".mha": _itk,
    ".mhd": _itk,
    ".npz": _npz,
}
_NO_SCANS = frozenset(  # .raw and .zraw are the voxels of .mhd and .nhdr headers
    {
        ".csv",
        ".tsv",
        ".xlsx",
        ".xls",
        ".ods",
        ".json",
        ".yaml",
        ".yml",
        ".xml",
        ".toml",
        ".ini",
        ".parquet",
    }
    | {".txt", ".md", ".rst", ".pdf", ".html", ".log", ".png", ".jpg", ".jpeg", ".gif", ".svg"}
    | {".py", ".sh", ".bat", ".exe", ".zip", ".tar", ".sha256", ".md5", ".lock", ".b2nd", ".raw", ".zraw"}
)
_AS_THE_FILE_SAYS = StatedVoxels()
_SAME_GRID_MM = 0.05  # NIfTI keeps its grid in single precision


def is_scan(file: str) -> bool:
    """Whether ``file`` may hold a scan: tables, texts, licences and pictures do not."""
    name = Path(file).name
    if name.startswith(".") or name.upper() in {"DICOMDIR", "LICENSE", "LICENCE", "README", "NOTICE"}:
        return False
    return Path(file).suffix.lower() not in _NO_SCANS


def can_be_opened(path: Path) -> bool:
    """Whether there is a file to read: no link into nowhere, no pipe, nothing that others keep to themselves."""
    return path.is_file() and os.access(path, os.R_OK)


def is_dicom(root: Path, file: str) -> bool:
    """Whether ``file`` bears the mark of DICOM PS3.10 section 7.1, or a name that promises it."""
    if Path(file).suffix.lower() in (".dcm", ".ima"):
        return True
    if not can_be_opened(root / file):
        return False
    with (root / file).open("rb") as opened:
        return opened.read(132)[128:] == b"DICM"


def read_source(
    root: Path,
    files: Sequence[str],
    *,
    min_slices: int,
    done: Container[FrameKey] = frozenset(),
    stated: StatedVoxels = _AS_THE_FILE_SAYS,
) -> Iterator[ScannedFrame | Rejected]:
    """Every frame among ``files``, one in memory at a time; whatever cannot be used becomes ``Rejected``.

    Args:
        root: the batch folder.
        files: relative to ``root``; DICOM files that belong together must come in one call.
        min_slices: least number of voxels along every axis.
        done: frames to pass over, by source and index.
        stated: what a table says of the voxels of image files; DICOM states its own, and is turned away with it.
    """
    there = [file for file in sorted(files) if can_be_opened(root / file)]
    for file in sorted(set(files) - set(there)):
        yield Rejected(
            source=file, reason="cannot be opened: a dangling link, no plain file, or not readable"
        )
    images = [file for file in there if _opener(file)]
    others = [file for file in there if not _opener(file)]
    for file in images:
        yield from _read_image(root, file, min_slices, done, stated)
    dicom = [file for file in others if is_dicom(root, file)]
    for file in sorted(set(others) - set(dicom)):
        yield Rejected(source=file, reason="neither DICOM nor NIfTI, NRRD, MetaImage or NPZ")
    if dicom and not stated.is_empty:
        reason = (
            "DICOM states its own rescale, spacing and orientation: the table must leave these cells empty"
        )
        yield Rejected(source=dicom[0], reason=reason, files=len(dicom))
    elif dicom:
        from components.adapters.dicom_reader import read_dicom

        yield from read_dicom(root, dicom, min_slices=min_slices, done=done)


def read_label_map(
    path: Path,
    names: Mapping[int, str],
    volume: Volume,
    index: int = 0,
    *,
    stated: StatedVoxels = _AS_THE_FILE_SAYS,
) -> LabelMap:
    """An expert's label map for ``volume``.

    Args:
        path: NIfTI, NRRD or MetaImage, 3D, or 4D with one label map per phase.
        names: value in the file → structure; other values become background.
        volume: the frame it was drawn on; the grids must match within 0.05 mm.
        index: of the frame, for a 4D label file.
        stated: the grid that a table gave the scan; the label map has the same.

    ``InputError`` when the file cannot be read or does not fit.
    """
    opener = _opener(path.name)
    if opener is None:
        raise InputError(
            expected="a label map as NIfTI, NRRD or MetaImage", got=path.suffix or "no suffix", hint=".nii.gz"
        )
    try:
        return _label_map(opener(path, stated), names, volume, index)
    except unusable() as error:
        raise InputError(
            expected="a usable label map", got=reason_of(error), hint="exporting the label again"
        ) from error


def _label_map(image: ImageFrames, names: Mapping[int, str], volume: Volume, index: int) -> LabelMap:
    if not volume.geometry.matches(image.geometry, tolerance_mm=_SAME_GRID_MM):
        raise InputError(
            expected=f"a label map on the scan's grid {volume.geometry.shape}",
            got=f"a grid of {image.geometry.shape}, or at another place",
            hint="drawing the label on this very scan",
        )
    if image.count > 1 and index >= image.count:
        raise InputError(
            expected=f"a label map of phase {index + 1}", got=f"{image.count} phases", hint="a 3D label map"
        )
    values = image.voxels(index if image.count > 1 else 0)
    labels = np.zeros(values.shape, dtype=np.uint8)
    for value in names:
        labels[values == value] = value
    if not labels.any() or (values < 0).any() or not np.array_equal(values, np.floor(values)):
        raise InputError(
            expected=f"whole numbers from 0 up, some of them {', '.join(map(str, names))}",
            got="other voxels",
            hint="a label map, and the column label_values for what its values mean",
        )
    return LabelMap(labels=labels, geometry=volume.geometry, names=names)


def _read_image(
    root: Path, file: str, min_slices: int, done: Container[FrameKey], stated: StatedVoxels
) -> Iterator[ScannedFrame | Rejected]:
    opener = _opener(file)
    assert opener is not None
    try:
        yield from _image_frames(opener(root / file, stated), file, min_slices, done, stated)
    except unusable() as error:
        yield Rejected(source=file, reason=reason_of(error))


def _image_frames(
    image: ImageFrames, file: str, min_slices: int, done: Container[FrameKey], stated: StatedVoxels
) -> Iterator[ScannedFrame | Rejected]:
    if min(image.geometry.shape) < min_slices:
        grid = " × ".join(str(n) for n in image.geometry.shape)
        yield Rejected(source=file, reason=f"only {grid} voxels, fewer than {min_slices} along an axis")
        return
    for index in range(image.count):
        if (file, index) in done:
            continue
        voxels = _hounsfield(image.voxels(index), stated)
        yield ScannedFrame(
            source=file,
            patient_key=None,
            case_key=file,
            index=index,
            phase_percent=100.0 * index / image.count if image.count > 1 else None,
            volume=Volume(voxels_hu=voxels, geometry=image.geometry),
            acquisition=Acquisition(),
            files=int(index == 0),
        )


def _hounsfield(values: npt.NDArray[Any], stated: StatedVoxels) -> npt.NDArray[np.int16]:
    if stated.rescale_slope is None or stated.rescale_intercept is None:
        return to_hounsfield(values)
    return rescaled(values, stated.rescale_slope, stated.rescale_intercept)


def _opener(name: str) -> Opener | None:
    return next((opener for suffix, opener in _IMAGES.items() if name.lower().endswith(suffix)), None)
