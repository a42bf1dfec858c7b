import numpy as np
import pytest

from components.volume.canonical import canonical_geometry
from components.volume.geometry import Geometry
from components.volume.resample import resample, resample_labels
from components.volume.slabs import crop_geometry, labels_in_slabs, resample_in_slabs
from components.volume.volume import LabelMap, Volume

PLAIN = Geometry.axis_aligned((30, 26, 22), (2.0, 1.5, 1.0), (5.0, -7.0, 3.0))


def oblique() -> Geometry:
    turn = np.eye(4)
    c, s = np.cos(0.3), np.sin(0.3)
    turn[:2, :2] = [[c, -s], [s, c]]
    return Geometry(shape=PLAIN.shape, affine=turn @ PLAIN.affine)


def reversed_z() -> Geometry:
    affine = PLAIN.affine.copy()
    affine[:, 3] += 29 * affine[:, 0]
    affine[:, 0] *= -1
    return Geometry(shape=PLAIN.shape, affine=affine)


SOURCES = {"plain": PLAIN, "oblique": oblique(), "reversed": reversed_z()}
SPACINGS = [None, (1.3, 1.3, 1.3), (5.0, 6.0, 7.0)]


@pytest.mark.parametrize("name", SOURCES)
@pytest.mark.parametrize("spacing", SPACINGS)
def test_slabs_give_what_the_whole_gives(name: str, spacing: tuple[float, float, float] | None) -> None:
    rng = np.random.default_rng(0)
    source = SOURCES[name]
    scan = Volume(voxels_hu=rng.integers(-900, 500, source.shape).astype(np.int16), geometry=source)
    to = canonical_geometry(source, spacing)
    whole, parts = resample(scan, to).voxels_hu, resample_in_slabs(scan, to, slab_voxels=700).voxels_hu
    assert np.abs(whole.astype(int) - parts).max() <= 1  # rounding of .5 after another order of additions
    assert (whole == parts).mean() > 0.9999


@pytest.mark.parametrize("name", SOURCES)
@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("where", ["inside", "edge", "empty", "everywhere"])
def test_labels_in_slabs_give_what_the_whole_gives(
    name: str, spacing: tuple[float, float, float] | None, where: str
) -> None:
    native = SOURCES[name]
    grid = canonical_geometry(native, spacing)
    labels = np.zeros(grid.shape, dtype=np.uint8)
    z, y, x = grid.shape
    if where == "inside":
        labels[z // 3 : z // 2 + 1, y // 3 : y // 2 + 1, x // 3 : x // 2 + 1] = 2
        labels[z // 2, y // 3 :, x // 2] = 1
    elif where == "edge":
        labels[-2:, :3, -3:] = 1
    elif where == "everywhere":
        labels[:] = np.random.default_rng(1).integers(0, 3, grid.shape)
    drawn = LabelMap(labels=labels, geometry=grid, names={1: "a", 2: "b"})
    whole, parts = resample_labels(drawn, native), labels_in_slabs(drawn, native, slab_voxels=900)
    assert parts.names == whole.names
    assert np.array_equal(whole.labels, parts.labels)


def test_a_box_outside_gives_background() -> None:
    labels = np.ones((4, 4, 4), dtype=np.uint8)
    far = Geometry.axis_aligned((6, 6, 6), (1.0, 1.0, 1.0), (500.0, 0.0, 0.0))
    drawn = LabelMap(
        labels=labels, geometry=Geometry.axis_aligned((4, 4, 4), (1.0, 1.0, 1.0)), names={1: "a"}
    )
    assert not labels_in_slabs(drawn, far, slab_voxels=36).labels.any()


def test_the_grid_of_a_crop_keeps_its_voxels_in_place() -> None:
    crop = crop_geometry(PLAIN, (slice(3, 9), slice(0, 26), slice(5, 6)))
    assert crop.shape == (6, 26, 1)
    np.testing.assert_allclose(crop.affine @ [0, 0, 0, 1], PLAIN.affine @ [3, 0, 5, 1])


def test_float_arithmetic_never_covers_the_whole_volume() -> None:
    import tracemalloc

    grid = Geometry.axis_aligned((400, 64, 64), (1.0, 1.0, 1.0))
    scan = Volume(voxels_hu=np.zeros(grid.shape, dtype=np.int16), geometry=grid)
    to = canonical_geometry(grid, (1.5, 1.5, 1.5))
    labels = np.zeros(to.shape, dtype=np.uint8)
    labels[5:-5, 5:-5, 5:-5] = 1
    drawn = LabelMap(labels=labels, geometry=to, names={1: "a"})
    slab = 40_000
    tracemalloc.start()
    prepared = resample_in_slabs(scan, to, slab_voxels=slab)
    forth = tracemalloc.get_traced_memory()[1]
    tracemalloc.reset_peak()
    before = tracemalloc.get_traced_memory()[0]
    native = labels_in_slabs(drawn, grid, slab_voxels=slab)
    back = tracemalloc.get_traced_memory()[1] - before
    tracemalloc.stop()
    whole_float = 4 * int(np.prod(grid.shape))
    assert forth - prepared.voxels_hu.nbytes < 0.6 * whole_float
    assert back - native.labels.nbytes < 0.6 * whole_float
