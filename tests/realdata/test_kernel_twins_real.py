"""That a real change of the reconstruction kernel is more unlike its twin than noise alone would be."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from components.adapters.nifti_reader import open_nifti
from components.drift.novelty import case_novelty
from components.scorecard.columns import IMAGE
from components.scorecard.image_statistics import image_statistics
from components.volume.hounsfield import to_hounsfield
from components.volume.volume import Volume

SOURCE = os.environ.get("CTLOOP_REALDATA", "")
pytestmark = [
    pytest.mark.realdata,
    pytest.mark.skipif(not SOURCE, reason="CTLOOP_REALDATA names no folder of real scans"),
]
DRAWS = 12


def scan(kernel: str) -> Volume:
    image = open_nifti(Path(SOURCE) / f"chest/lung_dx_A0002_{kernel}_inplane2x.nii.gz")
    return Volume(voxels_hu=to_hounsfield(image.voxels(0)), geometry=image.geometry)


def with_noise(volume: Volume, sd_hu: float, seed: int) -> Volume:
    noise = np.random.default_rng(seed).normal(0.0, sd_hu, volume.voxels_hu.shape)
    return Volume(voxels_hu=(volume.voxels_hu + noise).round().astype(np.int16), geometry=volume.geometry)


def scorecard(name: str, volume: Volume) -> dict[str, object]:
    statistics = {f"{IMAGE}{key}": value for key, value in image_statistics(volume).items()}
    return {"case_id": name, "patient_id": name, **statistics}


def test_the_sharp_kernel_is_farther_from_its_soft_twin_than_noise_explains() -> None:
    soft, sharp = scan("B40f"), scan("B70f")
    noise = [image_statistics(volume)["noise_hu"] for volume in (soft, sharp)]
    added = float(np.sqrt(noise[1] ** 2 - noise[0] ** 2))  # as noisy as the sharp one
    twins = pd.DataFrame([scorecard(f"twin-{i}", with_noise(soft, added, i)) for i in range(DRAWS)])
    one_more = scorecard("one more draw", with_noise(soft, added, DRAWS))
    window = pd.DataFrame([scorecard("sharp", sharp), one_more])
    novelty = case_novelty(twins, window, with_image=True)
    assert novelty["one more draw"] < 2.0
    assert novelty["sharp"] > 5.0 * novelty["one more draw"]
