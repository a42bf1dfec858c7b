"""What makes two volumes the same."""

from __future__ import annotations

import hashlib
import json

import numpy as np

from components.volume.volume import Volume


def volume_sha256(volume: Volume) -> str:
    """Hash of the voxels and their grid, in hex; the same scan in any file format has the same one."""
    grid = {"affine": volume.geometry.affine.tolist(), "shape": volume.geometry.shape}
    digest = hashlib.sha256(json.dumps(grid, sort_keys=True).encode())
    digest.update(np.ascontiguousarray(volume.voxels_hu).data)
    return digest.hexdigest()
