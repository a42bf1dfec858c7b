"""A teacher that is asked several times about one frame: turned, zoomed and brightened a little.

Outside its own domain a network's errors depend on how the patient lies and how bright the blood is; what it
says in most views is more often right. The views of a frame that agree best with the others vote. Test-time
augmentation as in Wang et al. 2019 (Neurocomputing 338); choosing the views by agreement and the one-sided rule
for the background are our choice.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from components.errors import ParameterError, TeacherError
from components.models.labeled import UNKNOWN
from components.models.teacher import Teacher
from components.volume.geometry import Geometry
from components.volume.interpolation import correspond, interpolate
from components.volume.resample import resample
from components.volume.volume import LabelMap, Volume

_TURNING_BYTES = 40  # per voxel, measured 38: a frame a quarter wider, coordinates, and the votes
_COMPARED_VOXELS = 200_000  # agreement of views is an average: a subgrid tells it

Labels = npt.NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class Views:
    """How a frame is shown to a teacher, besides as it is.

    Args:
        rotations_degrees: about each of the three axes, both ways.
        zooms: factors of size about the centre.
        offsets_hu: added to the voxels.
        keep: views that vote, those that agree best with all others.
        agree: share of the votes that a structure needs.
    """

    rotations_degrees: tuple[float, ...] = (15.0, 30.0)
    zooms: tuple[float, ...] = (0.88, 1.12)
    offsets_hu: tuple[float, ...] = (-60.0, 100.0)
    keep: int = 9
    agree: float = 0.85

    def __post_init__(self) -> None:
        count = len(list(self.all()))
        sound = (
            2 <= self.keep <= count and 0.5 < self.agree <= 1.0 and all(0.5 <= z <= 2.0 for z in self.zooms)
        )
        if not sound:
            raise ParameterError(
                expected=f"2 to {count} views to keep, agree in (0.5, 1], zooms in [0.5, 2]",
                got=str(self),
                hint="the defaults of `views`",
            )

    def all(self) -> Iterator[_View]:
        """The frame as it is, then one change at a time."""
        yield _View()
        for angle, axis, sign in itertools.product(self.rotations_degrees, range(3), (1.0, -1.0)):
            yield _View(axis=axis, angle_degrees=sign * angle)
        yield from (_View(zoom=zoom) for zoom in self.zooms)
        yield from (_View(offset_hu=offset) for offset in self.offsets_hu)


@dataclass(frozen=True, kw_only=True)
class _View:
    axis: int = 0
    angle_degrees: float = 0.0
    zoom: float = 1.0
    offset_hu: float = 0.0

    def grid(self, native: Geometry) -> Geometry:
        """Where in the patient the voxels of the shown volume lie: ``native`` turned and zoomed about its centre."""
        i, j = (axis for axis in range(3) if axis != self.axis)
        angle = np.deg2rad(self.angle_degrees)
        turn = np.eye(3)
        turn[[i, j], [i, j]] = np.cos(angle)
        turn[i, j], turn[j, i] = -np.sin(angle), np.sin(angle)
        linear = turn @ native.affine[:3, :3] / self.zoom
        middle = (np.array(native.shape) - 1) / 2
        affine = np.eye(4)
        affine[:3, :3] = linear
        affine[:3, 3] = native.affine[:3, :3] @ middle + native.affine[:3, 3] - linear @ middle
        return Geometry(shape=native.shape, affine=affine)


@dataclass(frozen=True, eq=False)
class ViewConsensus:
    """A ``Teacher`` made of another one; voxels on which the votes disagree are 255, unknown."""

    teacher: Teacher
    views: Views

    @property
    def name(self) -> str:
        return f"{self.teacher.name}, consensus of {self.views.keep} views"

    @cached_property
    def fingerprint(self) -> str:
        """Of the teacher and the views."""
        text = json.dumps([self.teacher.fingerprint, asdict(self.views)], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def label(self, volume: Volume) -> LabelMap:
        """As ``Teacher.label``; a view on which the teacher fails has no vote.

        Raises the teacher's error when fewer than two views have a vote.
        """
        maps: list[LabelMap] = []
        first_error: TeacherError | None = None
        for view in self.views.all():
            try:
                maps.append(self._seen(view, volume))
            except TeacherError as error:
                first_error = first_error or error
        if len(maps) < 2:
            assert first_error is not None
            raise first_error
        chosen = most_agreeing([each.labels for each in maps], self.views.keep)
        labels = consensus([maps[i].labels for i in chosen], self.views.agree)
        if not (labels % UNKNOWN).any():
            raise TeacherError(
                expected="a structure on which the views agree",
                got="none",
                hint="checking the frame's orientation",
            )
        return LabelMap(labels=labels, geometry=volume.geometry, names=maps[0].names)

    def memory_mb(self, geometry: Geometry) -> float:
        """The teacher's, a label map for each view, and what turning a frame takes."""
        voxels = float(np.prod(geometry.shape))
        per_voxel = len(list(self.views.all())) + _TURNING_BYTES
        return self.teacher.memory_mb(geometry) + voxels * per_voxel / 1e6

    def stop(self) -> None:
        """End what the teacher has running, where it runs programs."""
        getattr(self.teacher, "stop", lambda: None)()

    def _seen(self, view: _View, volume: Volume) -> LabelMap:
        if view == _View():
            return self.teacher.label(volume)
        grid = view.grid(volume.geometry)
        if view.offset_hu == 0:
            shown = resample(_with_edges_repeated(volume), grid).voxels_hu
        else:
            shown = _brighter(volume, view.offset_hu)
        # the teacher is told nothing of the change: it sees a patient who lies like that
        said = self.teacher.label(Volume(voxels_hu=shown, geometry=volume.geometry))
        if view.offset_hu:
            return said
        # the nearest voxel is good enough for a vote, and much faster than a share of each label
        where = correspond(grid, volume.geometry)
        back = interpolate(said.labels.astype(np.float32), where, order=0, fill=0.0).astype(np.uint8)
        return LabelMap(labels=back, geometry=volume.geometry, names=said.names)


def _with_edges_repeated(volume: Volume) -> Volume:
    """A quarter wider on each side: air in the corners of a turned frame would look like the end of the body."""
    margins = [n // 4 for n in volume.geometry.shape]
    voxels = np.pad(volume.voxels_hu, [(m, m) for m in margins], mode="edge")
    affine = volume.geometry.affine.copy()
    affine[:3, 3] -= affine[:3, :3] @ np.array(margins)
    z, y, x = voxels.shape
    return Volume(voxels_hu=voxels, geometry=Geometry(shape=(z, y, x), affine=affine))


def _brighter(volume: Volume, offset_hu: float) -> npt.NDArray[np.int16]:
    changed = np.clip(volume.voxels_hu.astype(np.int32) + round(offset_hu), -1024, 3071)
    return changed.astype(np.int16)


def most_agreeing(maps: Sequence[Labels], keep: int) -> list[int]:
    """The ``keep`` maps ``(z, y, x)`` with the highest mean Dice to all others, in their own order."""
    step = max(1, round((maps[0].size / _COMPARED_VOXELS) ** (1 / 3)))
    small = [each[::step, ::step, ::step] for each in maps]
    agreement = np.zeros(len(maps))
    for (i, first), (j, second) in itertools.combinations(enumerate(small), 2):
        shared = _dice(first, second)
        agreement[i] += shared
        agreement[j] += shared
    return sorted(np.argsort(-agreement, kind="stable")[:keep].tolist())


def consensus(maps: Sequence[Labels], agree: float) -> Labels:
    """A structure that at least the share ``agree`` names, background where nobody says otherwise, else 255.

    One-sided, since a teacher outside its domain misses structures more often than it invents them: a voxel that
    one view still calls myocardium is no proof of background.
    """
    votes = np.stack(maps)
    result = np.where((votes == 0).all(axis=0), 0, UNKNOWN).astype(np.uint8)
    for value in np.unique(votes[votes > 0]):
        result[(votes == value).sum(axis=0) >= agree * len(maps)] = value
    return result


def _dice(first: Labels, second: Labels) -> float:
    """Mean Dice over the structures that at least one map holds; 1 where both are empty."""
    size = np.bincount(first.ravel(), minlength=256) + np.bincount(second.ravel(), minlength=256)
    shared = np.bincount(first[first == second].ravel(), minlength=256)
    present = np.flatnonzero(size[1:]) + 1
    return float(np.mean(2.0 * shared[present] / size[present])) if present.size else 1.0
