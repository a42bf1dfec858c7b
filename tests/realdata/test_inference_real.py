"""A real heart CT through our sliding window and MONAI's: the same masks from the same weights."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from components.adapters.nifti_reader import open_nifti
from components.cohort.structures import HEART_STRUCTURES
from components.models.fit import seeded
from components.models.train_segmentation import describe
from components.models.training_plan import SegmentationPlan
from components.models.unet import UNet
from components.volume.canonical import canonical_geometry
from components.volume.resample import resample
from components.volume.volume import Volume
from pipelines.bench.inference_contenders import MonaiSettings, monai_masks, our_masks
from pipelines.bench.inference_network import Trained

SOURCE = os.environ.get("CTLOOP_REALDATA", "")
pytestmark = [
    pytest.mark.realdata,
    pytest.mark.skipif(not SOURCE, reason="CTLOOP_REALDATA names no folder of real scans"),
]


def test_a_real_heart_gets_the_masks_that_monai_gives() -> None:
    """The demo's network, untrained, so that its masks have many borders; eight windows of 80³."""
    frames = open_nifti(Path(SOURCE) / "heart" / "heart_ct.nii.gz")
    read = Volume(voxels_hu=frames.voxels(0).astype(np.int16), geometry=frames.geometry)
    heart = resample(read, canonical_geometry(read.geometry, None))
    plan = SegmentationPlan(patch=(80, 80, 80))
    network = seeded(lambda: UNet(plan.network(len(HEART_STRUCTURES))), 0).eval()
    for head in network.heads:
        head[-1].bias.data.zero_()
    said = describe(network, plan, HEART_STRUCTURES, heart.geometry.spacing_mm)
    trained = Trained(network=network, description=said, seconds=0.0)
    theirs = monai_masks(trained, "float32", MonaiSettings(channels_last=False, batch=2))(heart)
    ours = our_masks(trained, "float32")(heart)
    assert ours.shape == heart.voxels_hu.shape
    assert len(np.unique(theirs)) > 3
    assert (ours == theirs).mean() > 0.9999
