"""Against SimpleITK, closed forms and round trips."""

import itertools

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

from components.errors import GeometryError
from components.volume.canonical import canonical_geometry
from components.volume.geometry import Geometry
from components.volume.interpolation import point_spread_sigma
from components.volume.resample import resample, resample_labels, to_native
from components.volume.volume import LabelMap, Volume

ORIENTATIONS = [
    (order, signs)
    for order in itertools.permutations(range(3))
    for signs in itertools.product((1, -1), repeat=3)
]


def oriented(order, signs, shape=(5, 6, 7), spacing=(3.0, 2.0, 1.25)):
    affine = np.zeros((4, 4))
    for axis in range(3):
        affine[order[axis], axis] = signs[axis] * spacing[axis]
    affine[:3, 3] = (10.0, -20.0, 31.5)
    affine[3, 3] = 1
    return Geometry(shape=shape, affine=affine)


def oblique(shape=(14, 15, 16), spacing=(3.0, 1.5, 1.25)):
    a, b = 0.3, -0.4
    turn_z = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
    turn_x = np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
    affine = np.eye(4)
    affine[:3, :3] = (turn_z @ turn_x)[:, ::-1] * np.array(spacing)
    affine[:3, 3] = (5.0, -3.0, 12.0)
    return Geometry(shape=shape, affine=affine)


def noise(geometry, seed=0):
    voxels = np.random.default_rng(seed).integers(-1000, 1000, geometry.shape).astype(np.int16)
    return Volume(voxels_hu=voxels, geometry=geometry)


def as_sitk(array, geometry):
    image = sitk.GetImageFromArray(array)
    steps = geometry.affine[:3, :3][:, ::-1]
    spacing = np.linalg.norm(steps, axis=0)
    image.SetSpacing(spacing.tolist())
    image.SetDirection((steps / spacing).ravel().tolist())
    image.SetOrigin(geometry.affine[:3, 3].tolist())
    return image


def by_sitk(array, geometry, to, interpolator, fill):
    image = sitk.Cast(as_sitk(array, geometry), sitk.sitkFloat64)
    reference = as_sitk(np.zeros(to.shape, np.float32), to)
    return sitk.GetArrayFromImage(sitk.Resample(image, reference, sitk.Transform(), interpolator, fill))


@pytest.mark.parametrize(
    "source",
    [Geometry.axis_aligned((12, 13, 14), (2.0, 1.5, 1.0)), oriented((1, 2, 0), (-1, 1, -1)), oblique()],
    ids=["aligned", "turned", "oblique"],
)
def test_linear_resampling_equals_itk_where_voxels_stay_small(source):
    volume = noise(source)
    centre = source.affine @ np.array([*(np.array(source.shape) / 2), 1.0])
    to = Geometry.axis_aligned(
        (20, 22, 24), (1.1, 0.91, 1.05), tuple(centre[:3] - np.array([12.53, 9.87, 11.07]))
    )
    ours = resample(volume, to).voxels_hu
    theirs = by_sitk(volume.voxels_hu, source, to, sitk.sitkLinear, -1024)
    assert (theirs != -1024).mean() > 0.1
    differs = np.abs(ours - theirs) > 0.51
    assert differs.mean() < 1e-4


def test_nearest_equals_itk():
    volume = noise(oblique())
    to = Geometry.axis_aligned((10, 11, 12), (1.3, 1.1, 0.9), (0.0, -5.0, 14.0))
    ours = resample(volume, to, order=0).voxels_hu
    theirs = by_sitk(volume.voxels_hu, volume.geometry, to, sitk.sitkNearestNeighbor, -1024)
    assert np.mean(ours != theirs) < 1e-3


@pytest.mark.parametrize(("order", "signs"), ORIENTATIONS)
def test_canonical_without_spacing_permutes_exactly_and_returns_exactly(order, signs):
    source = oriented(order, signs)
    volume = noise(source)
    canonical = canonical_geometry(source, None)
    assert canonical.orientation == "LPS"
    turned = resample(volume, canonical)
    assert sorted(turned.voxels_hu.ravel()) == sorted(volume.voxels_hu.ravel())
    theirs = by_sitk(volume.voxels_hu, source, canonical, sitk.sitkNearestNeighbor, -1024)
    np.testing.assert_array_equal(turned.voxels_hu, theirs)
    np.testing.assert_array_equal(resample(turned, source).voxels_hu, volume.voxels_hu)


@pytest.mark.parametrize("source", [oblique(), oriented((2, 0, 1), (1, -1, -1))], ids=["oblique", "turned"])
def test_a_linear_field_survives_exactly_inside(source):
    slope = np.array([7.0, -3.0, 5.0])

    def field(geometry):
        index = np.stack(np.meshgrid(*map(np.arange, geometry.shape), indexing="ij"), axis=-1)
        world = index @ geometry.affine[:3, :3].T + geometry.affine[:3, 3]
        return np.rint(world @ slope).astype(np.int16), world

    values, _ = field(source)
    to = canonical_geometry(source, (1.0, 1.0, 1.0))
    ours = resample(Volume(voxels_hu=values, geometry=source), to, fill_hu=-32000).voxels_hu
    truth, world = field(to)
    index = (world - source.affine[:3, 3]) @ np.linalg.inv(source.affine[:3, :3]).T
    inside = ((index >= 0) & (index <= np.array(source.shape) - 1)).all(axis=-1)
    assert inside.sum() > 100
    assert np.abs(ours - truth)[inside].max() <= 1


def test_outside_is_air():
    volume = Volume(
        voxels_hu=np.full((4, 4, 4), 50, np.int16), geometry=Geometry.axis_aligned((4, 4, 4), (1.0, 1.0, 1.0))
    )
    to = Geometry.axis_aligned((6, 4, 4), (1.0, 1.0, 1.0), (0.0, 0.0, -1.0))
    moved = resample(volume, to).voxels_hu
    assert (moved[[0, 5]] == -1024).all()
    assert (moved[1:5] == 50).all()
    half = resample(volume, Geometry.axis_aligned((4, 4, 4), (1.0, 1.0, 1.0), (0.3, 0.3, 0.3)), fill_hu=7)
    assert (half.voxels_hu == 50).all()
    beyond = resample(volume, Geometry.axis_aligned((4, 4, 4), (1.0, 1.0, 1.0), (0.6, 0.0, 0.0)), fill_hu=7)
    assert (beyond.voxels_hu[:, :, 3] == 7).all()


def test_downsampling_smooths_a_checkerboard_that_nearest_would_alias():
    z, y, x = np.indices((32, 32, 32))
    board = np.where((z + y + x) % 2 == 0, 1000, -1000).astype(np.int16)
    volume = Volume(voxels_hu=board, geometry=Geometry.axis_aligned((32, 32, 32), (1.0, 1.0, 1.0)))
    to = canonical_geometry(volume.geometry, (4.0, 4.0, 4.0))
    assert np.abs(resample(volume, to).voxels_hu[1:-1, 1:-1, 1:-1]).max() < 5
    assert to.shape == (8, 8, 8)


def test_point_spread_sigma_matches_its_closed_form():
    fwhm = 2 * np.sqrt(2 * np.log(2))
    assert point_spread_sigma(1.0) == 0.0
    for stride in (1.5, 2.0, 4.0):
        np.testing.assert_allclose((point_spread_sigma(stride) * fwhm) ** 2 + 1, stride**2)


@pytest.mark.parametrize("spacing", [(4.0, 4.0, 4.0), (0.7, 3.0, 11.0), (2.0, 1.5, 1.25)])
def test_canonical_grid_covers_every_voxel_and_is_centred(spacing):
    source = oblique()
    to = canonical_geometry(source, spacing)
    assert to.orientation == "LPS"
    np.testing.assert_allclose(to.spacing_mm, spacing)
    corners = np.array([[*c, 1.0] for c in itertools.product(*((-0.5, n - 0.5) for n in source.shape))])
    index = corners @ source.affine.T @ np.linalg.inv(to.affine).T
    assert (index[:, :3] >= -0.5 - 0.05).all()
    assert (index[:, :3] <= np.array(to.shape) - 0.5 + 0.05).all()
    middle_source = source.affine @ [*((np.array(source.shape) - 1) / 2), 1]
    middle_to = to.affine @ [*((np.array(to.shape) - 1) / 2), 1]
    np.testing.assert_allclose(middle_to, middle_source, atol=1e-9)


def test_canonical_refuses_a_spacing_that_is_not_positive():
    with pytest.raises(GeometryError, match="positive spacing"):
        canonical_geometry(oblique(), (1.0, 0.0, 1.0))


def ball(geometry, radius=12.0):
    index = np.stack(np.meshgrid(*map(np.arange, geometry.shape), indexing="ij"), axis=-1)
    world = index @ geometry.affine[:3, :3].T + geometry.affine[:3, 3]
    centre = (geometry.affine @ [*((np.array(geometry.shape) - 1) / 2), 1])[:3]
    distance = np.linalg.norm(world - centre, axis=-1)
    labels = np.where(distance < radius * 0.6, 2, np.where(distance < radius, 1, 0)).astype(np.uint8)
    return LabelMap(labels=labels, geometry=geometry, names={1: "shell", 2: "core"})


def volumes_ml(label_map):
    return [(label_map.labels == v).sum() * label_map.geometry.voxel_volume_ml for v in (1, 2)]


@pytest.mark.parametrize(
    "source",
    [oblique((20, 30, 34), (1.5, 1.0, 1.0)), oriented((2, 0, 1), (-1, 1, -1), (30, 30, 30), (1, 1, 1))],
)
@pytest.mark.parametrize("spacing", [(0.8, 0.8, 0.8), (2.0, 2.0, 2.0)])
def test_labels_keep_their_volume_there_and_back(source, spacing):
    truth = ball(source)
    prepared = resample_labels(truth, canonical_geometry(source, spacing))
    np.testing.assert_allclose(volumes_ml(prepared), volumes_ml(truth), rtol=0.14)
    back = to_native(prepared, source)
    assert back.geometry.matches(source)
    for value in (1, 2):
        a, b = back.labels == value, truth.labels == value
        assert 2 * (a & b).sum() / (a.sum() + b.sum()) > 0.9
    assert dict(back.names) == {1: "shell", 2: "core"}


def test_labels_on_the_same_centres_are_taken_exactly():
    source = oriented((1, 0, 2), (-1, 1, 1))
    labels = np.random.default_rng(3).integers(0, 9, source.shape).astype(np.uint8)
    label_map = LabelMap(labels=labels, geometry=source, names={})
    there = resample_labels(label_map, canonical_geometry(source, None))
    np.testing.assert_array_equal(to_native(there, source).labels, labels)


def test_a_single_slice_can_be_resampled():
    volume = noise(Geometry.axis_aligned((1, 8, 8), (5.0, 1.0, 1.0)))
    assert resample(volume, canonical_geometry(volume.geometry, (1.0, 1.0, 1.0))).geometry.shape == (5, 8, 8)
