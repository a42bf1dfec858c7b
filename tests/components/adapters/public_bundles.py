"""Small bundles in the very layouts of public ones: wholeBody_ct_segmentation and vista3d of MONAI's model zoo.

Networks are 1×1×1 convolutions, so that what comes out is known; everything around them has the published form.
"""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

FILES = {"_target_": "SaveImaged", "keys": "pred", "output_dir": "@output_dir"}
INVERT = {
    "_target_": "Invertd", "keys": "pred", "transform": "$copy.deepcopy(@preprocessing)",
    "orig_keys": "@image_key", "nearest_interp": True, "to_tensor": True,
}  # fmt: skip


def whole_body_bundle(folder: Path) -> Path:
    """Settings behind references, the checkpoint loader on its own, logits through softmax and argmax."""
    import torch

    config = {
        "displayable_configs": {"highres": True, "sw_overlap": 0.25, "sw_batch_size": 1},
        "imports": ["$import glob", "$import numpy", "$import os", "$import copy"],
        "bundle_root": ".",
        "image_key": "image",
        "output_dir": "$@bundle_root + '/eval'",
        "output_dtype": "$numpy.float32",
        "dataset_dir": "sampledata",
        "datalist": "$list(sorted(glob.glob(@dataset_dir + '/imagesTs/*.nii.gz')))",
        "device": "$torch.device('cpu')",
        "pixdim": "$[2.0, 2.0, 4.0] if @displayable_configs#highres else [6.0, 6.0, 6.0]",
        "modelname": "$'model.pt' if @displayable_configs#highres else 'model_lowres.pt'",
        "network_def": {
            "_target_": "torch.nn.Conv3d", "in_channels": 1, "out_channels": 2, "kernel_size": 1,
        },
        "network": "$@network_def.to(@device)",
        "preprocessing": {
            "_target_": "Compose",
            "transforms": [
                {"_target_": "LoadImaged", "keys": "@image_key"},
                {"_target_": "EnsureTyped", "keys": "@image_key"},
                {"_target_": "EnsureChannelFirstd", "keys": "@image_key"},
                {"_target_": "Orientationd", "keys": "@image_key", "axcodes": "RAS"},
                {"_target_": "Spacingd", "keys": "@image_key", "pixdim": "@pixdim", "mode": "bilinear"},
            ],
        },
        "dataset": {
            "_target_": "Dataset", "data": "$[{'image': i} for i in @datalist]", "transform": "@preprocessing",
        },
        "dataloader": {"_target_": "DataLoader", "dataset": "@dataset", "batch_size": 1, "num_workers": 1},
        "inferer": {
            "_target_": "SlidingWindowInferer", "roi_size": [8, 8, 8],
            "sw_batch_size": "@displayable_configs#sw_batch_size", "overlap": "@displayable_configs#sw_overlap",
            "padding_mode": "replicate", "mode": "gaussian", "device": "$torch.device('cpu')",
        },
        "postprocessing": {
            "_target_": "Compose",
            "transforms": [
                {"_target_": "Activationsd", "keys": "pred", "softmax": True},
                {"_target_": "AsDiscreted", "keys": "pred", "argmax": True},
                INVERT,
                FILES,
            ],
        },
        "handlers": [{"_target_": "StatsHandler", "iteration_log": False}],
        "evaluator": {
            "_target_": "SupervisedEvaluator", "device": "@device", "val_data_loader": "@dataloader",
            "network": "@network", "inferer": "@inferer", "postprocessing": "@postprocessing",
            "val_handlers": "@handlers", "amp": True,
        },
        "checkpointloader": {
            "_target_": "CheckpointLoader", "load_path": "$@bundle_root + '/models/' + @modelname",
            "load_dict": {"model": "@network"},
        },
        "initialize": [
            "$setattr(torch.backends.cudnn, 'benchmark', True)", "$@checkpointloader(@evaluator)",
        ],
        "run": ["$@evaluator.run()"],
    }  # fmt: skip
    state = {"weight": torch.tensor([-1.0, 1.0]).reshape(2, 1, 1, 1, 1), "bias": torch.zeros(2)}
    return write(folder, config, {"0": "background", "1": "heart"}, {"model": state})


def handlers_bundle(folder: Path) -> Path:
    """Other names: a loader among the handlers, parts in sections of their own, weights below their key."""
    import torch

    config = json.loads((whole_body_bundle(folder) / "configs" / "inference.json").read_text())
    config["net"] = config.pop("network_def")
    config["model_on_device"] = "$@net.to(@device)"
    del config["network"]
    config["validate"] = {
        "pre": config.pop("preprocessing"),
        "post": config.pop("postprocessing"),
        "inferer": config.pop("inferer"),
    }
    config["validate"]["post"]["transforms"][2] = {**INVERT, "transform": "@validate#pre"}
    config["dataset"]["transform"] = "@validate#pre"
    del config["checkpointloader"]
    config["handlers"] = [
        {"_target_": "StatsHandler", "iteration_log": False},
        {
            "_target_": "CheckpointLoader", "load_path": "$@bundle_root + '/models/best.pt'",
            "load_dict": {"segmenter": "@model_on_device"},
        },
    ]  # fmt: skip
    config["evaluator"] |= {
        "network": "@model_on_device",
        "inferer": "@validate#inferer",
        "postprocessing": "@validate#post",
    }
    config["initialize"] = []
    (folder / "configs" / "inference.json").write_text(json.dumps(config))
    saved = torch.load(folder / "models" / "model.pt", weights_only=True)
    (folder / "models" / "model.pt").unlink()
    torch.save({"segmenter": saved["model"]}, folder / "models" / "best.pt")
    return folder


INFERER = """
import torch
from monai.inferers import Inferer
from .windows import inside

seen = []

class Vista3dInferer(Inferer):
    def __init__(self, roi_size, overlap, sw_batch_size=1, use_point_window=False):
        Inferer.__init__(self)
        self.roi_size = roi_size

    def __call__(self, inputs, network, point_coords, point_labels, class_vector, labels=None,
                 label_set=None, prev_mask=None):
        from .late import late  # an import that happens only while a frame is labelled
        assert point_coords is None and late == 1
        seen.append(class_vector[:, 0].tolist())
        return network(inside(inputs), class_vector)
"""
NETWORK = """
import torch

class Prompted(torch.nn.Module):
    # logits of label n: how far the frame is above 100 * n HU
    def __init__(self):
        super().__init__()
        self.step = torch.nn.Parameter(torch.zeros(1))

    def forward(self, x, class_vector):
        return torch.cat([x - self.step * n for n in class_vector[:, 0]], dim=1)
"""


def vista_bundle(folder: Path) -> Path:
    """Prompted label by label, through scripts of the bundle's own; transforms behind an expression."""
    import torch

    config = {
        "imports": [
            "$import glob", "$import os", "$import scripts", "$import numpy as np", "$import copy",
            "$import json", "$import pathlib",
        ],
        "bundle_root": "./",
        "image_key": "image",
        "output_dir": "$@bundle_root + '/eval'",
        "input_dict": "${'image': '/data/spleen_10.nii.gz', 'label_prompt': [3]}",
        "everything_labels": "$list(set([i+1 for i in range(4)]) - set([2]))",
        "metadata_path": "$@bundle_root + '/configs/metadata.json'",
        "metadata": "$json.loads(pathlib.Path(@metadata_path).read_text())",
        "labels_dict": "$@metadata['network_data_format']['outputs']['pred']['channel_def']",
        "subclass": {"2": [3, 4]},
        "resample_spacing": [2.0, 2.0, 4.0],
        "patch_size": [8, 8, 8],
        "device": "$torch.device('cpu')",
        "network_def": {"_target_": "scripts.network.Prompted"},
        "network": "$@network_def.to(@device)",
        "preprocessing_transforms": [
            {"_target_": "LoadImaged", "keys": "@image_key", "image_only": True},
            {"_target_": "EnsureChannelFirstd", "keys": "@image_key"},
            {"_target_": "EnsureTyped", "keys": "@image_key", "device": "@device", "track_meta": True},
            {"_target_": "Spacingd", "keys": "@image_key", "pixdim": "@resample_spacing", "mode": "nearest"},
            {
                "_target_": "CropForegroundd", "keys": "@image_key", "allow_smaller": True, "margin": 2,
                "source_key": "@image_key",
            },
            {
                "_target_": "monai.apps.vista3d.transforms.VistaPreTransformd", "keys": "@image_key",
                "subclass": "@subclass", "labels_dict": "@labels_dict",
            },
            {"_target_": "Orientationd", "keys": "@image_key", "axcodes": "RAS"},
            {"_target_": "CastToTyped", "keys": "@image_key", "dtype": "$torch.float32"},
        ],
        "preprocessing": {"_target_": "Compose", "transforms": "$@preprocessing_transforms "},
        "dataset": {"_target_": "Dataset", "data": "$[@input_dict]", "transform": "@preprocessing"},
        "dataloader": {"_target_": "ThreadDataLoader", "dataset": "@dataset", "num_workers": 0},
        "inferer": {"_target_": "scripts.inferer.Vista3dInferer", "roi_size": "@patch_size", "overlap": 0.3},
        "postprocessing": {
            "_target_": "Compose",
            "transforms": [
                {"_target_": "ToDeviced", "keys": "pred", "device": "cpu", "_disabled_": True},
                {"_target_": "monai.apps.vista3d.transforms.VistaPostTransformd", "keys": "pred"},
                INVERT,
                {"_target_": "Lambdad", "func": "$lambda x: torch.nan_to_num(x, nan=255)", "keys": "pred"},
                FILES,
            ],
        },
        "checkpointloader": {
            "_target_": "CheckpointLoader", "load_path": "$@bundle_root + '/models/model.pt'",
            "load_dict": {"model": "@network"}, "map_location": "@device",
        },
        "evaluator": {
            "_target_": "scripts.evaluator.Vista3dEvaluator", "device": "@device",
            "val_data_loader": "@dataloader", "network": "@network", "inferer": "@inferer",
            "postprocessing": "@postprocessing", "amp": True,
            "hyper_kwargs": {"user_prompt": True, "everything_labels": "@everything_labels"},
        },
        "initialize": ["$monai.utils.set_determinism(seed=123)", "$@checkpointloader(@evaluator)"],
        "run": ["$@evaluator.run()"],
    }  # fmt: skip
    names = {"0": "background", "1": "liver", "2": "heart", "3": "left chamber", "4": "right chamber"}
    write(folder, config, names, {"step": torch.tensor([100.0])})
    scripts = folder / "scripts"
    scripts.mkdir()
    (scripts / "__init__.py").write_text("")
    (scripts / "inferer.py").write_text(INFERER)
    (scripts / "network.py").write_text(NETWORK)
    (scripts / "windows.py").write_text("def inside(x):\n    return x\n")
    (scripts / "late.py").write_text("late = 1\n")
    return folder


def write(folder: Path, config: dict[str, Any], names: dict[str, str], weights: Any) -> Path:
    import torch

    described = {"version": "0.5", "network_data_format": {
        "inputs": {"image": {}}, "outputs": {"pred": {"channel_def": names}},
    }}  # fmt: skip
    (folder / "configs").mkdir(parents=True)
    (folder / "models").mkdir()
    (folder / "configs" / "inference.json").write_text(json.dumps(config))
    (folder / "configs" / "metadata.json").write_text(json.dumps(described))
    torch.save(weights, folder / "models" / "model.pt")
    return folder


def zipped(folder: Path, path: Path, *, inside: str = "") -> Path:
    """A zip of ``folder`` whose files lie below ``inside``."""
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                archive.write(file, inside + file.relative_to(folder).as_posix())
    return path
