"""A known beat on a scan."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from components.errors import GeometryError, InputError, ParameterError
from components.phantom.heart_motion import emptying
from components.phantom.semi_synthetic import RadialBeat, beat_of, beating_cine
from components.volume.geometry import Geometry
from components.volume.volume import LabelMap, Volume

BEAT = RadialBeat(centre_mm=(5.0, -3.0, 10.0), reach_mm=30.0, amplitude=0.4)


def ball(radius_mm: float = 24.0) -> tuple[Volume, LabelMap]:
    geometry = Geometry.axis_aligned((40, 44, 48), (2.0, 2.0, 2.0), (-48.0, -44.0, -40.0))
    z, y, x = np.indices(geometry.shape)
    r = np.sqrt((2 * z - 40) ** 2 + (2 * y - 44) ** 2 + (2 * x - 48) ** 2)
    hu = np.where(r < radius_mm, 300, -100).astype(np.int16)
    labels = (r < radius_mm).astype(np.uint8)
    return (
        Volume(voxels_hu=hu, geometry=geometry),
        LabelMap(labels=labels, geometry=geometry, names={1: "heart"}),
    )


def test_backward_undoes_forward() -> None:
    points = np.random.default_rng(0).uniform(-80, 80, (500, 3))
    for phase in (0.0, 20.0, 37.0, 80.0):
        assert np.allclose(BEAT.backward(BEAT.forward(points, phase), phase), points, atol=1e-6)


def test_the_cycle_starts_and_closes_at_rest() -> None:
    points = np.random.default_rng(0).uniform(-80, 80, (50, 3))
    for phase in (0.0, 100.0):
        assert np.allclose(BEAT.forward(points, phase), points)


def test_radii_keep_their_order() -> None:
    radii = np.linspace(0, 200, 4001)
    points = np.array(BEAT.centre_mm) + radii[:, None] * np.array([[1.0, 0.0, 0.0]])
    moved = np.linalg.norm(BEAT.forward(points, 37.0) - np.array(BEAT.centre_mm), axis=1)
    assert (np.diff(moved) > 0).all()


def test_a_ball_shrinks_to_the_radius_of_the_formula() -> None:
    volume, labels = ball()
    beat = beat_of(labels, centre_mm=None, amplitude=0.3)
    assert beat.centre_mm == pytest.approx((0.0, 0.0, 0.0), abs=1e-6)
    assert beat.reach_mm == pytest.approx(0.7 * 24.0, rel=0.03)
    frames = beating_cine(volume, labels, phases_percent=(0.0, 20.0, 37.0), amplitude=0.3)
    rest = (int(labels.labels.sum()) * 8 * 3 / (4 * np.pi)) ** (1 / 3)  # of the ball as voxels show it
    assert frames[0][1] is volume
    for phase, _, moved in frames[1:]:
        radius = rest * (1 - 0.3 * emptying(phase) * np.exp(-(rest**2) / (2 * beat.reach_mm**2)))
        want = 4 / 3 * np.pi * radius**3
        assert int((moved.labels > 0).sum()) * 8 == pytest.approx(want, rel=0.03)


def test_labels_follow_the_image() -> None:
    _, volume, labels = beating_cine(*ball(), phases_percent=(30.0,))[0]
    inside = labels.labels > 0
    assert np.median(volume.voxels_hu[inside]) == 300
    assert np.median(volume.voxels_hu[~inside]) == -100


def test_refusals() -> None:
    volume, labels = ball()
    other = Geometry.axis_aligned((40, 44, 48), (3.0, 2.0, 2.0))
    with pytest.raises(GeometryError, match="another grid"):
        beating_cine(volume, LabelMap(labels=labels.labels, geometry=other, names={}), phases_percent=(0.0,))
    empty = LabelMap(labels=np.zeros_like(labels.labels), geometry=labels.geometry, names={})
    with pytest.raises(InputError, match="labelled"):
        beating_cine(volume, empty, phases_percent=(0.0,))
    with pytest.raises(ParameterError, match="amplitude"):
        RadialBeat(centre_mm=(0, 0, 0), reach_mm=10, amplitude=0.9)


@pytest.mark.realdata
def test_a_real_heart_beats() -> None:
    root = os.environ.get("CTLOOP_REALDATA")
    if not root:
        pytest.skip("CTLOOP_REALDATA is not set")
    import nibabel

    from components.adapters.ras_affine import geometry_from_ras

    def read(name: str) -> tuple[np.ndarray, Geometry]:
        image = nibabel.load(Path(root) / "heart" / name)
        array = np.asarray(image.dataobj)
        return array.T, geometry_from_ras(array.shape, image.affine)

    hu, geometry = read("heart_ct.nii.gz")
    parts, _ = read("heart_labels.nii.gz")
    volume = Volume(voxels_hu=np.rint(hu).astype(np.int16), geometry=geometry)
    names = {1: "heart", 2: "pulmonary_artery"}
    labels = LabelMap(labels=np.where(parts <= 2, parts, 0).astype(np.uint8), geometry=geometry, names=names)
    _, still, moved = beating_cine(volume, labels, phases_percent=(0.0, 20.0, 37.0))
    rest, systole = (int((frame[2].labels == 1).sum()) for frame in (_, moved))
    assert 0.45 < systole / rest < 0.9
    before = np.median(volume.voxels_hu[labels.labels == 1])
    assert abs(np.median(moved[1].voxels_hu[moved[2].labels == 1]) - before) < 15
    assert still[1].geometry is geometry
