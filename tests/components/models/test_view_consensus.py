"""A teacher asked in several views: the views that agree vote, and a bad view or two change nothing."""

from __future__ import annotations

import dataclasses
import tracemalloc
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

from components.errors import ParameterError, TeacherError
from components.models.view_consensus import ViewConsensus, Views, consensus, most_agreeing
from components.volume.geometry import Geometry
from components.volume.volume import LabelMap, Volume

Labels = npt.NDArray[np.uint8]
GRID = Geometry.axis_aligned((24, 20, 22), (2.0, 3.0, 2.5), (10.0, -5.0, 3.0))
BIG = Geometry.axis_aligned((48, 48, 48), (2.0, 2.0, 2.0))


def ball() -> Volume:
    z, y, x = np.indices(GRID.shape)
    inside = ((z - 11.5) * 2) ** 2 + ((y - 9.5) * 3) ** 2 + ((x - 10.5) * 2.5) ** 2 < 14**2
    return Volume(voxels_hu=np.where(inside, 200, -500).astype(np.int16), geometry=GRID)


@dataclasses.dataclass(eq=False)
class Fake:
    """Labels as it is told to; counts what it was shown."""

    draw: Callable[[npt.NDArray[np.int16], int], Labels]
    name: str = "fake"
    fingerprint: str = "f" * 64
    shown: int = 0

    def memory_mb(self, geometry: Geometry) -> float:
        return 100.0

    def label(self, volume: Volume) -> LabelMap:
        self.shown += 1
        assert volume.geometry is GRID
        return LabelMap(labels=self.draw(volume.voxels_hu, self.shown), geometry=GRID, names={1: "heart"})


def bright(voxels: npt.NDArray[np.int16], _: int) -> Labels:
    return (voxels > 0).astype(np.uint8)


def test_a_teacher_that_is_always_right_stays_right() -> None:
    teacher, volume = Fake(bright), ball()
    labels = ViewConsensus(teacher, Views()).label(volume).labels
    truth = volume.voxels_hu > 0
    known = labels != 255
    assert teacher.shown == len(list(Views().all())) == 17
    assert (labels[known] == truth[known]).mean() > 0.995
    assert known.mean() > 0.9  # only the border may be unknown


def test_views_turn_about_the_centre_and_come_back() -> None:
    view = next(v for v in Views(rotations_degrees=(90.0,)).all() if v.angle_degrees == 90.0)
    grid = view.grid(GRID)
    middle = (np.array(GRID.shape) - 1) / 2
    centre = GRID.affine[:3, :3] @ middle + GRID.affine[:3, 3]
    assert np.allclose(grid.affine[:3, :3] @ middle + grid.affine[:3, 3], centre)
    assert np.allclose(grid.spacing_mm, GRID.spacing_mm)
    assert np.isclose(abs(np.linalg.det(grid.affine)), abs(np.linalg.det(GRID.affine)))


def test_a_minority_of_wrong_views_is_outvoted() -> None:
    def sometimes_wrong(voxels: npt.NDArray[np.int16], number: int) -> Labels:
        right = bright(voxels, number)
        return np.roll(right, 7, axis=2) if number in (1, 5, 9, 13) else right

    labels = ViewConsensus(Fake(sometimes_wrong), Views()).label(ball()).labels
    truth = ball().voxels_hu > 0
    assert (labels[labels != 255] == truth[labels != 255]).mean() > 0.995


def test_a_view_that_fails_has_no_vote() -> None:
    def failing(voxels: npt.NDArray[np.int16], number: int) -> Labels:
        if number % 2:
            raise TeacherError(expected="a voxel", got="none", hint="light")
        return bright(voxels, number)

    labels = ViewConsensus(Fake(failing), Views(keep=4)).label(ball()).labels
    assert (labels == 1).any()

    def always(voxels: npt.NDArray[np.int16], number: int) -> Labels:
        raise TeacherError(expected="a voxel", got=f"none in view {number}", hint="light")

    with pytest.raises(TeacherError, match="none in view 1"):
        ViewConsensus(Fake(always), Views()).label(ball())


def test_consensus_is_one_sided() -> None:
    votes = [
        np.array([[[a, b, c, d]]], np.uint8) for a, b, c, d in ((0, 1, 1, 1), (0, 1, 0, 2), (0, 1, 1, 0))
    ]
    assert consensus(votes, 0.6).tolist() == [[[0, 1, 1, 255]]]
    assert consensus(votes, 0.7).tolist() == [[[0, 1, 255, 255]]]


def test_the_most_agreeing_are_chosen() -> None:
    base = np.zeros((6, 6, 6), np.uint8)
    maps = [base.copy() for _ in range(4)]
    for i, each in enumerate(maps):
        each[1 : 4 + (i == 1), 1:4, 1:4] = 1
    maps[2][:] = 0
    maps[2][5, 5, 5] = 1
    assert most_agreeing(maps, 2) == [0, 3]
    assert most_agreeing(maps, 3) == [0, 1, 3]


def test_fingerprint_names_teacher_and_views() -> None:
    first = ViewConsensus(Fake(bright), Views())
    assert first.fingerprint == ViewConsensus(Fake(bright), Views()).fingerprint
    others = [
        ViewConsensus(Fake(bright), Views(keep=5)),
        ViewConsensus(Fake(bright, fingerprint="e" * 64), Views()),
    ]
    assert len({first.fingerprint, *(other.fingerprint for other in others)}) == 3


def test_views_that_make_no_sense_are_refused() -> None:
    for wrong in ({"keep": 99}, {"keep": 1}, {"agree": 0.5}, {"zooms": (9.0,)}):
        with pytest.raises(ParameterError, match="views to keep"):
            Views(**wrong)  # type: ignore[arg-type]


def test_memory_is_that_of_the_teacher_the_views_and_the_turning() -> None:
    frame = Volume(voxels_hu=np.resize(ball().voxels_hu, (48, 48, 48)), geometry=BIG)

    class Small(Fake):
        def label(self, volume: Volume) -> LabelMap:
            return LabelMap(labels=bright(volume.voxels_hu, 0), geometry=BIG, names={1: "heart"})

    teacher = ViewConsensus(Small(bright), Views())
    tracemalloc.start()
    teacher.label(frame)
    taken_mb = tracemalloc.get_traced_memory()[1] / 1e6
    tracemalloc.stop()
    assert taken_mb < teacher.memory_mb(BIG) - 100.0 < 1.1 * taken_mb


def test_stop_reaches_the_teacher() -> None:
    ended: list[str] = []

    class Runs(Fake):
        def stop(self) -> None:
            ended.append("stopped")

    ViewConsensus(Runs(bright), Views()).stop()
    ViewConsensus(Fake(bright), Views()).stop()
    assert ended == ["stopped"]
