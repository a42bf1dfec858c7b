"""Who is compared in ``ctloop bench training``: each gives one random crop per volume that it visits.

All cut 96³ voxels, half of them about a structure, mirror one crop in two and change contrast and brightness
with the same functions. What differs is where the voxels come from.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import blosc2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from components.models.augmentation import apply_spatial, change_intensity, draw_spatial
from components.models.labeled import Shape
from components.models.patches import PatchDataset
from components.models.training_plan import Augmentation, SegmentationPlan
from pipelines.bench.training_data import WINDOW_HU, Stored

PATCH: Shape = (96, 96, 96)
LIGHT = Augmentation(scale=0.0, rotation_degrees=0.0, mirror=0.5, noise=0.0, blur=0.0)
_ENDLESS = 10**9
Crop = tuple[Tensor, Tensor]
Crops = Dataset[Any]


def plan(seed: int, augmentation: Augmentation = LIGHT) -> SegmentationPlan:
    """What all contenders do to a crop."""
    return SegmentationPlan(
        seed=seed,
        window_hu=WINDOW_HU,
        patch=PATCH,
        batch_size=2,
        foreground_share=0.5,
        augmentation=augmentation,
    )


def ours(volumes: Sequence[Stored], seed: int, augmentation: Augmentation = LIGHT) -> Crops:
    """The data set that ``ctloop train`` reads."""
    frames = [volume.frame(f"{number:03d}") for number, volume in enumerate(volumes)]
    return PatchDataset(frames, plan(seed, augmentation), expert_share=None, length=_ENDLESS)


class NNUNetCrops(Dataset[Crop]):
    """As nnU-Net v2 stores and reads: float32, zstd at level 8, memory-mapped, opened for every crop.

    Left out, in its favour: the properties that it unpickles per case, and the larger crop that it reads for
    rotations.
    """

    def __init__(self, volumes: Sequence[Stored], seed: int) -> None:
        self.volumes, self.seed = volumes, seed

    def __len__(self) -> int:
        return _ENDLESS

    def __getitem__(self, number: int) -> Crop:
        generator = np.random.default_rng([self.seed, number])
        volume = self.volumes[int(generator.integers(len(self.volumes)))]
        z, y, x = (slice(a, a + n) for a, n in zip(_corner(volume, generator), PATCH, strict=True))
        image, labels = (
            blosc2.open(str(path), mode="r", dparams={"nthreads": 1}, mmap_mode="r")[:1, z, y, x][0]
            for path in volume.nnunet
        )
        return _changed(torch.from_numpy(image), torch.from_numpy(labels), generator)


class PersistentCrops(Dataset[Crop]):
    """MONAI's PersistentDataset with the transforms of its documentation.

    Args:
        cache: folder of its own.
        crops_per_visit: ``num_samples`` of RandCropByPosNegLabeld.
        indices: find the foreground once and keep it in the cache too, which its documentation does not.
    """

    def __init__(
        self, volumes: Sequence[Stored], seed: int, *, cache: Path, crops_per_visit: int, indices: bool
    ) -> None:
        from monai.data import PersistentDataset

        self.seed, self.crops_per_visit = seed, crops_per_visit
        items = [{"image": str(image), "label": str(labels)} for image, labels in (v.nifti for v in volumes)]
        self.data = PersistentDataset(items, _transforms(crops_per_visit, indices), cache_dir=cache)
        self.volumes = len(items)

    def fill_cache(self) -> None:
        """Its first epoch, which is not timed."""
        for number in range(self.volumes):
            self.data[number]

    def __len__(self) -> int:
        return _ENDLESS

    def __getitem__(self, number: int) -> Crop:
        generator = np.random.default_rng([self.seed, number])
        self.data.transform.set_random_state(seed=int(generator.integers(2**31)))
        crops = self.data[int(generator.integers(self.volumes))]
        changed = [_changed(crop["image"][0], crop["label"][0], generator) for crop in crops]
        images, labels = zip(*changed, strict=True)
        return torch.stack(images), torch.stack(labels)


def _transforms(crops_per_visit: int, indices: bool) -> Any:
    import monai.transforms as mt

    both, (low, high) = ["image", "label"], WINDOW_HU
    found = {"fg_indices_key": "label_fg_indices", "bg_indices_key": "label_bg_indices"}
    where = found if indices else {"image_key": "image", "image_threshold": 0}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*nvImageCodec.*")  # a DICOM reader that is not used here
        load = mt.LoadImaged(both, ensure_channel_first=True)
    return mt.Compose(
        [
            load,
            mt.Orientationd(both, axcodes="RAS", labels=None),
            mt.ScaleIntensityRanged(["image"], a_min=low, a_max=high, b_min=0.0, b_max=1.0, clip=True),
            mt.EnsureTyped(both, dtype=[torch.float32, torch.uint8], track_meta=False),
            *([mt.FgBgToIndicesd("label", image_key="image")] if indices else []),
            mt.RandCropByPosNegLabeld(
                both,
                label_key="label",
                spatial_size=PATCH,
                pos=1,
                neg=1,
                num_samples=crops_per_visit,
                **where,
            ),
        ]
    )


def _corner(volume: Stored, generator: np.random.Generator) -> tuple[int, ...]:
    if generator.random() < 0.5:
        classes = sorted(volume.foreground)
        voxels = volume.foreground[classes[generator.integers(len(classes))]]
        centre = voxels[generator.integers(len(voxels))].astype(float)
    else:
        centre = generator.uniform(0, volume.side, 3)
    return tuple(int(min(max(c - n / 2, 0), volume.side - n)) for c, n in zip(centre, PATCH, strict=True))


def _changed(image: Tensor, labels: Tensor, generator: np.random.Generator) -> Crop:
    change = draw_spatial(LIGHT, PATCH, generator)
    moved = apply_spatial(image, change, PATCH, nearest=False).numpy()
    target = apply_spatial(labels, change, PATCH, nearest=True)
    return torch.from_numpy(change_intensity(moved, LIGHT, generator))[None], target


def contenders(
    volumes: Sequence[Stored], seed: int, cache: Path
) -> dict[str, tuple[int, Callable[[], Crops]]]:
    """name → (crops per item, data set); the persistent ones' caches are filled on the way."""
    kinds = {
        "persistent": (1, False),
        "persistent, 4 crops a visit": (4, False),
        "persistent, indices": (1, True),
    }
    made: dict[str, tuple[int, Callable[[], Crops]]] = {
        "ours": (1, lambda: ours(volumes, seed)),
        "nnU-Net's blosc2": (1, lambda: NNUNetCrops(volumes, seed)),
    }
    for name, (crops, indices) in kinds.items():
        folder = cache / ("with-indices" if indices else "plain")
        data = PersistentCrops(volumes, seed, cache=folder, crops_per_visit=crops, indices=indices)
        data.fill_cache()
        made[name] = (crops, lambda data=data: data)  # type: ignore[misc]
    return made
