import numpy as np

from components.volume.digest import volume_sha256
from components.volume.geometry import Geometry
from components.volume.volume import Volume


def test_the_digest_sees_voxels_and_grid():
    grid = Geometry.axis_aligned((2, 3, 4), (1.0, 1.0, 1.0))
    moved = Geometry.axis_aligned((2, 3, 4), (1.0, 1.0, 1.0), (0.0, 0.0, 1.0))
    voxels = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    same = volume_sha256(Volume(voxels_hu=voxels.copy(order="F"), geometry=grid))
    assert volume_sha256(Volume(voxels_hu=voxels, geometry=grid)) == same
    assert volume_sha256(Volume(voxels_hu=voxels, geometry=moved)) != same
    assert volume_sha256(Volume(voxels_hu=voxels + np.int16(1), geometry=grid)) != same
