"""The slice that a triplet is said to lie in, against volumes in which that slice is marked."""

from __future__ import annotations

import numpy as np
import pytest

from components.errors import ParameterError
from components.models.centre_crop import centre_crop, centre_geometry
from components.models.triplet_place import TripletGrid, slice_of_triplet
from components.volume.canonical import canonical_geometry
from components.volume.geometry import Geometry
from components.volume.resample import resample
from components.volume.volume import Volume


def native(slices: int, step_mm: float, *, from_feet: bool = True) -> Geometry:
    affine = np.diag([0.0, 0.0, 0.0, 1.0])
    affine[2, 0] = step_mm if from_feet else -step_mm
    affine[1, 1], affine[0, 2], affine[:3, 3] = 2.0, 2.0, (-13.0, 7.0, 55.5)
    return Geometry(shape=(slices, 12, 10), affine=affine)


def seen_by(scan: Geometry, spacing_mm: float, shape: tuple[int, int, int], per_token: int) -> TripletGrid:
    prepared = canonical_geometry(scan, (spacing_mm, 2.0, 2.0))
    _, real = centre_crop(np.zeros(prepared.shape, np.int16), shape, -1024)
    return TripletGrid(
        geometry=centre_geometry(prepared, shape), slices_per_token=per_token, real_slices=real
    )


def response(scan: Geometry, index: int, grid: TripletGrid, spacing_mm: float) -> np.ndarray:
    """How much of a marked native slice each triplet shows, through preparation and crop."""
    voxels = np.full(scan.shape, -1024, np.int16)
    voxels[index] = 3000
    prepared = resample(
        Volume(voxels_hu=voxels, geometry=scan), canonical_geometry(scan, (spacing_mm, 2.0, 2.0))
    )
    cropped, _ = centre_crop(prepared.voxels_hu, grid.geometry.shape, -1024)
    light = (cropped.astype(float) + 1024).mean(axis=(1, 2))
    return light.reshape(-1, grid.slices_per_token).sum(axis=1)


@pytest.mark.parametrize("from_feet", [True, False])
@pytest.mark.parametrize(
    ("slices", "step_mm", "spacing_mm", "shape"),
    [
        (31, 2.0, 2.0, (24, 8, 8)),  # cropped, same slices
        (50, 1.0, 3.0, (24, 16, 16)),  # thinner slices, padded
        (17, 5.0, 2.0, (30, 12, 10)),  # thicker slices, cropped
        (11, 3.0, 3.0, (21, 12, 10)),  # padded on both sides
    ],
)
def test_a_mark_in_the_named_slice_lights_up_that_triplet(
    from_feet: bool, slices: int, step_mm: float, spacing_mm: float, shape: tuple[int, int, int]
) -> None:
    scan = native(slices, step_mm, from_feet=from_feet)
    grid = seen_by(scan, spacing_mm, shape, 3)
    real = [t for t in range(len(grid)) if grid.real_slices[3 * t : 3 * t + 3].any()]
    assert len(real) >= 4
    for triplet in real:
        place = slice_of_triplet(grid, triplet, scan)
        light = response(scan, place.index, grid, spacing_mm)
        assert light[triplet] >= 0.99 * light.max()
        assert place.first <= place.index <= place.last < place.count == slices
        assert place.from_feet == from_feet
        assert place.number == place.index + 1
        z_mm = scan.affine[2, 3] + scan.affine[2, 0] * place.index
        assert abs(z_mm - place.position_mm) <= step_mm / 2 + 1e-6


def test_the_range_holds_every_slice_that_the_triplet_shows() -> None:
    scan = native(31, 2.0)
    grid = seen_by(scan, 2.0, (24, 12, 10), 3)
    for triplet in range(8):
        place = slice_of_triplet(grid, triplet, scan)
        shown = [i for i in range(31) if response(scan, i, grid, 2.0)[triplet] > 0]
        assert (place.first, place.last) == (shown[0], shown[-1])
        assert place.index == shown[1]
    assert str(slice_of_triplet(grid, 0, scan)) == "slice 5 of 31"


def test_a_scan_that_fills_part_of_a_triplet() -> None:
    """Ten slices on a grid of twelve: the first and the last triplet have two real slices each."""
    scan = native(10, 2.0)
    grid = seen_by(scan, 2.0, (12, 12, 10), 3)
    ranges = [slice_of_triplet(grid, t, scan) for t in range(4)]
    assert [(place.first, place.last) for place in ranges] == [(0, 1), (2, 4), (5, 7), (8, 9)]


def test_slices_of_another_axis_are_counted_along_the_body() -> None:
    """A coronal series: its rows run along the body, its slices do not."""
    affine = np.diag([0.0, 0.0, 0.0, 1.0])
    affine[1, 0], affine[2, 1], affine[0, 2] = 2.0, -1.0, 1.0
    scan = Geometry(shape=(9, 24, 16), affine=affine)
    grid = TripletGrid(
        geometry=canonical_geometry(scan, None), slices_per_token=3, real_slices=np.ones(24, dtype=bool)
    )
    place = slice_of_triplet(grid, 0, scan)
    assert (place.index, place.count, place.from_feet) == (22, 24, False)


def test_edges_stand_where_the_slices_do() -> None:
    scan = native(24, 2.0)
    grid = seen_by(scan, 2.0, (24, 12, 10), 3)
    assert grid.edges_mm()[[0, -1]] == pytest.approx([55.5 - 1.0, 55.5 + 47.0])
    assert np.allclose(np.diff(grid.edges_mm()), 6.0)


@pytest.mark.parametrize("triplet", [-1, 0, 4, 9])
def test_padding_has_no_slice(triplet: int) -> None:
    scan = native(6, 2.0)
    grid = seen_by(scan, 2.0, (18, 12, 10), 3)
    with pytest.raises(ParameterError, match="part of the scan"):
        slice_of_triplet(grid, triplet, scan)
