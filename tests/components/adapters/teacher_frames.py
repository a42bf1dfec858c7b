"""A frame on a flipped, anisotropic grid, and a bundle that thresholds: no training needed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from components.models.teacher_labels import TeacherLabels
from components.volume.geometry import Geometry
from components.volume.volume import Volume

HEART = TeacherLabels(to_structure={"heart": "heart"}, structures=("heart",))


def flipped_frame(shape: tuple[int, int, int] = (9, 12, 14)) -> Volume:
    """Air with a bright box off centre; the grid is RAI, 4 × 2 × 2 mm, so that orientation mistakes show."""
    voxels = np.full(shape, -800, dtype=np.int16)
    voxels[2:5, 3:8, 1:6] = 300
    affine = np.diag([1.0, 1.0, 1.0, 1.0])
    affine[:3, :3] = 0.0
    affine[2, 0], affine[1, 1], affine[0, 2] = -4.0, 2.0, -2.0
    affine[:3, 3] = (30.0, -20.0, 55.0)
    return Volume(voxels_hu=voxels, geometry=Geometry(shape=shape, affine=affine))


def threshold_bundle(
    folder: Path, *, weights: Any = None, extra_preprocessing: tuple[dict[str, Any], ...] = ()
) -> Path:
    """A bundle of one 1×1×1 convolution that calls every voxel above 0 HU a heart."""
    import torch

    config = {
        "bundle_root": ".",
        "device": "$torch.device('cpu')",
        "network_def": {
            "_target_": "torch.nn.Conv3d", "in_channels": 1, "out_channels": 2, "kernel_size": 1,
        },
        "network": "$@network_def.to(@device)",
        "preprocessing": {
            "_target_": "Compose",
            "transforms": [
                {"_target_": "LoadImaged", "keys": "image"},
                {"_target_": "EnsureChannelFirstd", "keys": "image"},
                {"_target_": "Orientationd", "keys": "image", "axcodes": "RAS"},
                *extra_preprocessing,
                {"_target_": "EnsureTyped", "keys": "image"},
            ],
        },
        "inferer": {"_target_": "SlidingWindowInferer", "roi_size": [8, 8, 8], "overlap": 0.25},
        "postprocessing": {
            "_target_": "Compose",
            "transforms": [
                {"_target_": "Activationsd", "keys": "pred", "softmax": True},
                {"_target_": "AsDiscreted", "keys": "pred", "argmax": True},
                {
                    "_target_": "Invertd", "keys": "pred", "transform": "@preprocessing",
                    "orig_keys": "image", "nearest_interp": True, "to_tensor": True,
                },
                {"_target_": "SaveImaged", "keys": "pred", "output_dir": "$@bundle_root + '/eval'"},
            ],
        },
        "checkpointloader": {
            "_target_": "CheckpointLoader",
            "load_path": "$@bundle_root + '/models/model.pt'",
            "load_dict": {"model": "@network"},
        },
    }  # fmt: skip
    channels = {"0": "background", "1": "heart"}
    described = {"version": "0.1", "network_data_format": {
        "inputs": {"image": {}}, "outputs": {"pred": {"channel_def": channels}},
    }}  # fmt: skip
    (folder / "configs").mkdir(parents=True)
    (folder / "models").mkdir()
    (folder / "configs" / "inference.json").write_text(json.dumps(config))
    (folder / "configs" / "metadata.json").write_text(json.dumps(described))
    state = {"weight": torch.tensor([-1.0, 1.0]).reshape(2, 1, 1, 1, 1), "bias": torch.zeros(2)}
    torch.save(state if weights is None else weights, folder / "models" / "model.pt")
    return folder
