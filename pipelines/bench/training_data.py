"""The volumes of ``ctloop bench training``, stored in every way that is compared.

Heart phantoms, enlarged to the size of a cropped cardiac CT, with correlated noise of its own in every
voxel, so that they compress as real scans do. A few volumes differ; the rest are copies, files of their own
for the disk and its cache.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from components.adapters.blosc_store import load_crop, save_label_map, save_volume
from components.cohort.structures import HEART_STRUCTURES
from components.models.labeled import LabeledFrame, sample_foreground
from components.phantom.cardiac import cardiac_case
from components.phantom.scanner import SCANNERS
from components.volume.geometry import Geometry
from components.volume.volume import LabelMap, Volume
from components.volume.window import window_to_unit

WINDOW_HU = (-200.0, 600.0)
_ENLARGED = 2
_NOISE_HU, _NOISE_VOXELS = 20.0, 0.6
# What nnU-Net's comp_blosc2_params gives for a patch of 96³: 16³ float32 fill its L1 cache, 80 · 64 · 64 its L3.
_NNUNET_IMAGE: dict[str, Any] = {"chunks": (1, 80, 64, 64), "blocks": (1, 16, 16, 16)}
_NNUNET_LABELS: dict[str, Any] = {"chunks": (1, 96, 96, 96), "blocks": (1, 32, 32, 16)}


@dataclass(frozen=True, kw_only=True)
class Stored:
    """One volume, in every format; ``foreground`` is the same sample of its structures for all."""

    ours: tuple[Path, Path]
    nnunet: tuple[Path, Path]
    nifti: tuple[Path, Path]
    side: int
    foreground: dict[int, npt.NDArray[np.intp]]

    def frame(self, name: str) -> LabeledFrame:
        """As training sees it."""
        return LabeledFrame(
            frame_id=name,
            patient_id=name,
            provenance="expert",
            shape=(self.side, self.side, self.side),
            read_hu=partial(load_crop, self.ours[0]),
            read_labels=partial(load_crop, self.ours[1]),
            foreground=self.foreground,
        )


def store_volumes(folder: Path, *, seed: int, distinct: int, side: int) -> list[Stored]:
    """``distinct`` volumes of ``side``³ voxels in every format."""
    folder.mkdir(parents=True)
    return [_store(folder, str(number), seed=seed + number, side=side) for number in range(distinct)]


def copies(volumes: Sequence[Stored], count: int, folder: Path, *, only_ours: bool = False) -> list[Stored]:
    """``count`` volumes, each with files of its own."""
    folder.mkdir(parents=True)
    made = []
    for number in range(count):
        source = volumes[number % len(volumes)]
        made.append(
            Stored(
                ours=_copy(source.ours, folder, number),
                nnunet=source.nnunet if only_ours else _copy(source.nnunet, folder, number),
                nifti=source.nifti if only_ours else _copy(source.nifti, folder, number),
                side=source.side,
                foreground=source.foreground,
            )
        )
    return made


def megabytes(paths: Sequence[Path]) -> float:
    """Size on disk."""
    return sum(path.stat().st_size for path in paths) / 1e6


def _copy(paths: tuple[Path, Path], folder: Path, number: int) -> tuple[Path, Path]:
    first, second = (folder / f"{number}-{path.name}" for path in paths)
    shutil.copyfile(paths[0], first)
    shutil.copyfile(paths[1], second)
    return first, second


def _store(folder: Path, name: str, *, seed: int, side: int) -> Stored:
    import blosc2
    import nibabel

    hu, labels = _draw(seed, side)
    geometry = Geometry.axis_aligned((side, side, side), (1.0, 1.0, 1.0))
    stored = Stored(
        ours=(folder / f"{name}.b2nd", folder / f"{name}-labels.b2nd"),
        nnunet=(folder / f"{name}-nnunet.b2nd", folder / f"{name}-nnunet_seg.b2nd"),
        nifti=(folder / f"{name}.nii.gz", folder / f"{name}-labels.nii.gz"),
        side=side,
        foreground=sample_foreground(labels, np.random.default_rng(seed)),
    )
    save_volume(stored.ours[0], Volume(voxels_hu=hu, geometry=geometry))
    names = dict(enumerate(HEART_STRUCTURES, 1))
    save_label_map(stored.ours[1], LabelMap(labels=labels, geometry=geometry, names=names))
    cparams = {"codec": blosc2.Codec.ZSTD, "clevel": 8, "nthreads": 2}
    unit = window_to_unit(hu, *WINDOW_HU)[None]  # nnU-Net stores what the network sees: clipped and scaled
    blosc2.asarray(unit, urlpath=str(stored.nnunet[0]), mode="w", cparams=cparams, **_NNUNET_IMAGE)
    seg = labels.astype(np.int8)[None]
    blosc2.asarray(seg, urlpath=str(stored.nnunet[1]), mode="w", cparams=cparams, **_NNUNET_LABELS)
    nibabel.save(nibabel.Nifti1Image(hu.transpose(2, 1, 0), np.eye(4)), stored.nifti[0])
    nibabel.save(nibabel.Nifti1Image(labels.transpose(2, 1, 0), np.eye(4)), stored.nifti[1])
    return stored


def _draw(seed: int, side: int) -> tuple[npt.NDArray[np.int16], npt.NDArray[np.uint8]]:
    """HU and labels ``(z, y, x)`` of a phantom heart in a field of about 19 cm."""
    small = side // _ENLARGED
    case = cardiac_case(
        seed=seed,
        species="porcine",
        scanner=SCANNERS["reference"],
        phases_percent=(0.0,),
        shape=(small, small, small),
        spacing_mm=(190.0 / small,) * 3,
    )
    (frame,) = case.frames
    hu = ndimage.zoom(frame.volume.voxels_hu.astype(np.float32), _ENLARGED, order=1)
    labels = ndimage.zoom(frame.labels.labels, _ENLARGED, order=0)
    noise = np.random.default_rng(seed).standard_normal(hu.shape, dtype=np.float32)
    noise = ndimage.gaussian_filter(noise, _NOISE_VOXELS)
    hu += noise * np.float32(_NOISE_HU / noise.std())
    return np.rint(hu).clip(-1024, 3071).astype(np.int16), labels.astype(np.uint8)
