"""The texts of the embedded teacher's bundle: MONAI classes only, so that it needs no scripts of its own."""

from __future__ import annotations

from typing import Any

from components.cohort.structures import HEART_STRUCTURES

NETWORK: dict[str, Any] = {
    "_target_": "UNet",
    "spatial_dims": 3,
    "in_channels": 1,
    "out_channels": len(HEART_STRUCTURES) + 1,
    "channels": [32, 48, 64, 96],
    "strides": [2, 2, 2],
    "num_res_units": 0,  # a residual unit at full resolution costs four times the rest
    "norm": "instance",
}


def inference_config(window: int, spacing_mm: float) -> dict[str, Any]:
    """``configs/inference.json``: also runs by ``monai.bundle run`` on NIfTI files."""
    return {
        "imports": ["$import glob", "$import safetensors.torch"],
        "bundle_root": ".",
        "dataset_dir": "$@bundle_root + '/images'",
        "output_dir": "$@bundle_root + '/eval'",
        "datalist": "$list(sorted(glob.glob(@dataset_dir + '/*.nii.gz')))",
        "device": "$torch.device('cuda:0' if torch.cuda.is_available() else 'cpu')",
        "network_def": NETWORK,
        "network": "$@network_def.to(@device)",
        "preprocessing": {
            "_target_": "Compose",
            "transforms": [
                {"_target_": "LoadImaged", "keys": "image"},
                {"_target_": "EnsureChannelFirstd", "keys": "image"},
                {"_target_": "Orientationd", "keys": "image", "axcodes": "LPS"},
                {"_target_": "Spacingd", "keys": "image", "pixdim": [spacing_mm] * 3, "mode": "bilinear"},
                {
                    "_target_": "ScaleIntensityRanged", "keys": "image",
                    "a_min": -200, "a_max": 600, "b_min": 0, "b_max": 1, "clip": True,
                },
                {"_target_": "EnsureTyped", "keys": "image"},
            ],
        },
        "dataset": {
            "_target_": "Dataset", "transform": "@preprocessing",
            "data": "$[{'image': i} for i in @datalist]",
        },
        "dataloader": {"_target_": "DataLoader", "dataset": "@dataset", "batch_size": 1, "shuffle": False},
        "inferer": {
            "_target_": "SlidingWindowInferer", "roi_size": [window] * 3, "sw_batch_size": 1, "overlap": 0.5,
            "mode": "gaussian",
        },
        "postprocessing": {
            "_target_": "Compose",
            "transforms": [
                {"_target_": "AsDiscreted", "keys": "pred", "argmax": True},
                {
                    "_target_": "Invertd", "keys": "pred", "transform": "@preprocessing",
                    "orig_keys": "image", "nearest_interp": True, "to_tensor": True,
                },
                {"_target_": "SaveImaged", "keys": "pred", "output_dir": "@output_dir"},
            ],
        },
        "evaluator": {
            "_target_": "SupervisedEvaluator", "device": "@device", "val_data_loader": "@dataloader",
            "network": "@network", "inferer": "@inferer", "postprocessing": "@postprocessing",
        },
        "weights": "$@bundle_root + '/models/model.safetensors'",
        "initialize": ["$@network.load_state_dict(safetensors.torch.load_file(@weights))"],
        "run": ["$@evaluator.run()"],
    }  # fmt: skip


def metadata(window: int) -> dict[str, Any]:
    """``configs/metadata.json``."""
    import monai
    import torch

    channels = {"0": "background", **{str(i): name for i, name in enumerate(HEART_STRUCTURES, start=1)}}
    patch = {"spatial_shape": [window] * 3, "dtype": "float32", "is_patch_data": True}
    return {
        "schema": "https://github.com/Project-MONAI/MONAI-extra-test-data/releases/download/0.8.1/meta_schema_20240725.json",
        "version": "1.0.0",
        "changelog": {"1.0.0": "first version"},
        "monai_version": monai.__version__,
        "pytorch_version": torch.__version__.split("+")[0],
        "numpy_version": "2.4",
        "required_packages_version": {"safetensors": "0.6", "nibabel": "5.3"},
        "task": "Segmentation of the seven structures of the whole heart in phantom CT",
        "description": "A small U-Net, trained on synthetic human heart phantoms",
        "authors": "ctloop",
        "copyright": "ctloop contributors, Apache-2.0",
        "data_source": "components/phantom of ctloop; no patient data",
        "intended_use": "Pseudo-labels in demonstrations and tests of ctloop; not for patients",
        "network_data_format": {
            "inputs": {
                "image": {
                    "type": "image", "format": "hounsfield", "modality": "CT", "num_channels": 1,
                    "value_range": [0, 1], "channel_def": {"0": "image"}, **patch,
                }
            },
            "outputs": {
                "pred": {
                    "type": "image", "format": "segmentation", "num_channels": len(channels),
                    "value_range": [0, 1], "channel_def": channels, **patch,
                }
            },
        },
    }  # fmt: skip
