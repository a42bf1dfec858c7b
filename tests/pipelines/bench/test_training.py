"""The contenders of the training benchmark cut the same kind of crop from the same volumes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

pytest.importorskip("monai")

from pipelines.bench import training, training_contenders
from pipelines.bench.training_contenders import NNUNetCrops, PersistentCrops, ours
from pipelines.bench.training_data import Stored, copies, megabytes, store_volumes
from pipelines.bench.training_speed import crops_per_second, peak_memory_mb

SIDE = 112


@pytest.fixture(scope="module")
def volumes(tmp_path_factory: pytest.TempPathFactory) -> list[Stored]:
    """One volume and a copy; a little larger than a crop."""
    folder = tmp_path_factory.mktemp("volumes")
    return copies(store_volumes(folder / "one", seed=0, distinct=1, side=SIDE), 2, folder / "two")


def test_every_format_holds_the_same_voxels(volumes: list[Stored]) -> None:
    import blosc2
    import nibabel

    frame, corner = volumes[0].frame("a"), ((0, 0, 0), (SIDE, SIDE, SIDE))
    hu, labels = frame.read_hu(*corner), frame.read_labels(*corner)
    nifti = np.asarray(nibabel.load(volumes[1].nifti[0]).dataobj).transpose(2, 1, 0)
    assert np.array_equal(nifti, hu)
    unit = blosc2.open(str(volumes[1].nnunet[0]), mode="r")[0]
    assert np.allclose(unit, np.clip((hu + 200.0) / 800.0, 0, 1), atol=1e-6)
    assert np.array_equal(blosc2.open(str(volumes[1].nnunet[1]), mode="r")[0], labels)
    assert set(np.unique(labels)) == set(range(8))
    assert volumes[0].ours != volumes[1].ours
    assert megabytes(volumes[0].ours) == megabytes(volumes[1].ours) > 0


def test_contenders_give_the_same_kind_of_crop(volumes: list[Stored], tmp_path: Path) -> None:
    persistent = PersistentCrops(volumes, 0, cache=tmp_path, crops_per_visit=2, indices=True)
    persistent.fill_cache()
    assert len(list(tmp_path.glob("*.pt"))) == 2
    many_images, many_labels = persistent[0]
    crops = [ours(volumes, 0)[0][:2], NNUNetCrops(volumes, 0)[0], (many_images[0], many_labels[0])]
    assert many_images.shape == (2, 1, 96, 96, 96)
    for image, labels in crops:
        assert (image.shape, labels.shape) == ((1, 96, 96, 96), (96, 96, 96))
        assert image.dtype == torch.float32
        assert labels.element_size() == 1
        assert -0.3 < float(image.min()) < float(image.max()) < 1.4
        blood = float(image[0][labels == 1].mean()) if (labels == 1).any() else 1.0
        assert blood > float(image.mean())  # image and label were cut and mirrored together


def test_a_crop_is_a_function_of_its_number(volumes: list[Stored], tmp_path: Path) -> None:
    for data in (
        ours(volumes, 1),
        NNUNetCrops(volumes, 1),
        PersistentCrops(volumes, 1, cache=tmp_path, crops_per_visit=1, indices=False),
    ):
        assert all(torch.equal(a, b) for a, b in zip(data[5], data[5], strict=True))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:This DataLoader will create")  # on one core
def test_speed_and_memory_are_measured(volumes: list[Stored]) -> None:
    assert crops_per_second(ours(volumes, 0), 1, seconds=0.3) > 0
    assert peak_memory_mb(volumes, 0, crops=60) > 50


def test_claims_are_medians_of_ratios_round_by_round() -> None:
    rates = {
        "ours": [10.0, 100.0, 30.0],  # a machine that was ten times slower in the first round
        "persistent": [2.0, 10.0, 5.0],
        "nnU-Net's blosc2": [10.0, 50.0, 20.0],
    }
    claims = training._claims(rates, {"ours": 5.0, "nii.gz": 4.0}, {"20": 100.0, "200": 105.0})
    measured = {claim.id: claim.measured for claim in claims}
    assert measured == pytest.approx(
        {
            "crops_per_second_vs_persistent": 6.0,
            "crops_per_second_vs_blosc2": 1.5,
            "rss_growth_20_to_200_volumes": 1.05,
            "disk_vs_nifti_gz": 1.25,
        }
    )
    assert all(claim.holds for claim in claims)


def test_all_contenders_change_crops_with_one_augmentation() -> None:
    light = training_contenders.plan(0).augmentation
    assert light == training_contenders.LIGHT
    assert (light.mirror, light.rotation_degrees, light.noise) == (0.5, 0.0, 0.0)
