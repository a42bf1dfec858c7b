"""How far a label map is from what anatomy allows: numbers, one score, and reasons to refuse it.

Geometry alone: volumes, connected components, what touches what, and what lies on which side of what. A map
can be plausible and wrong, but an implausible one is hardly ever right.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from components.errors import ParameterError
from components.volume.volume import LabelMap

Point = npt.NDArray[np.float64]
Box = tuple[slice, ...]
_SIDES: Mapping[str, tuple[int, int, int]] = {  # in LPS
    "left": (1, 0, 0), "right": (-1, 0, 0), "posterior": (0, 1, 0), "anterior": (0, -1, 0),
    "superior": (0, 0, 1), "inferior": (0, 0, -1),
}  # fmt: skip
_TOUCHING = np.ones((3, 3, 3), dtype=bool)


@dataclass(frozen=True, kw_only=True)
class Plausibility:
    """What a label map must be like; structures that the map does not name are not asked for.

    Args:
        volume_ml: structure → least and largest volume; a least volume above 0 also demands that it is there.
        largest_share: structure → least share of its volume in its largest component (26 neighbours).
        neighbours: pairs that must lie within ``max_gap_mm`` of each other.
        max_gap_mm: between the nearest voxel centres of two neighbours, beyond one voxel's diagonal.
        enclosed: (inner, outer, share): at least this share of the inner's surface borders the outer, and more
            than the other way round.
        sides: (first, side, second): the first's centre lies left, right, anterior, posterior, superior or
            inferior of the second's.
        beyond: likewise, but of the outermost voxels on that side: the first reaches further than the second.
        refuse_below: a score below it is refused too, even where every single measure would pass.
    """

    volume_ml: dict[str, tuple[float, float]] = field(default_factory=dict)
    largest_share: dict[str, float] = field(default_factory=dict)
    neighbours: tuple[tuple[str, str], ...] = ()
    max_gap_mm: float = 8.0
    enclosed: tuple[tuple[str, str, float], ...] = ()
    sides: tuple[tuple[str, str, str], ...] = ()
    beyond: tuple[tuple[str, str, str], ...] = ()
    refuse_below: float = 0.0

    def __post_init__(self) -> None:
        for name, (least, largest) in self.volume_ml.items():
            _expect(0 <= least < largest, f"0 <= least < largest volume of {name}", f"{least}, {largest}")
        shares = [*self.largest_share.values(), *(share for *_, share in self.enclosed), self.refuse_below]
        _expect(all(0 <= share <= 1 for share in shares), "shares in [0, 1]", str(shares))
        _expect(self.max_gap_mm > 0, "max_gap_mm above 0", str(self.max_gap_mm))
        for _, side, _ in (*self.sides, *self.beyond):
            _expect(side in _SIDES, f"one of {', '.join(_SIDES)}", repr(side))

    def only(self, structures: Collection[str]) -> Plausibility:
        """Without the demands on structures that are not among these."""
        return replace(
            self,
            volume_ml={name: bounds for name, bounds in self.volume_ml.items() if name in structures},
            largest_share={name: share for name, share in self.largest_share.items() if name in structures},
            neighbours=tuple(pair for pair in self.neighbours if set(pair) <= set(structures)),
            enclosed=tuple(rule for rule in self.enclosed if {rule[0], rule[1]} <= set(structures)),
            sides=tuple(rule for rule in self.sides if {rule[0], rule[2]} <= set(structures)),
            beyond=tuple(rule for rule in self.beyond if {rule[0], rule[2]} <= set(structures)),
        )


@dataclass(frozen=True, kw_only=True)
class PlausibilityReport:
    """One label map's measures.

    ``checks`` holds a value in [0, 1] per measure, 1 = as demanded; ``reasons`` say what was expected and what
    was found, and are empty for a plausible map. ``score`` ranks maps of one frame, in [0, 1]: the mean of
    four values, of which the first stops counting where the demands are met and the others do not: mean
    check; mean largest share; mean 1/sqrt(components); mean enclosed share (left out if none is demanded).
    """

    volumes_ml: Mapping[str, float]
    components: Mapping[str, int]
    largest_shares: Mapping[str, float]
    gaps_mm: Mapping[tuple[str, str], float]
    enclosed_shares: Mapping[tuple[str, str], float]
    offsets_mm: Mapping[tuple[str, str, str], float]
    checks: Mapping[str, float]
    score: float
    reasons: tuple[str, ...]

    @property
    def plausible(self) -> bool:
        return not self.reasons


def judge(label_map: LabelMap, demanded: Plausibility) -> PlausibilityReport:
    """Measure ``label_map`` against ``demanded``.

    A measure that misses its bound counts down from 1: volumes by their ratio to the bound, shares likewise,
    gaps by ``max_gap_mm / gap``, a wrong side is 0.
    """
    shapes = _shapes(label_map)
    tally = _Tally()
    volumes = {name: shape.volume_ml for name, shape in shapes.items()}
    for name, (least, largest) in demanded.volume_ml.items():
        if name in shapes:
            ratio = min(1.0, volumes[name] / least if least else 1.0, largest / max(volumes[name], 1e-9))
            tally.add(f"volume of {name}", ratio, f"{least:g} to {largest:g} ml", f"{volumes[name]:.1f} ml")
    present = {name: shape for name, shape in shapes.items() if shape.volume_ml > 0}
    for name, least in demanded.largest_share.items():
        if name in present and least > 0:
            share = present[name].largest_share
            found = f"{share:.2f} in the largest of {present[name].components} parts"
            tally.add(f"unity of {name}", min(1.0, share / least), f"a share of {least:g}", found)
    gaps = _gaps(label_map, present, demanded, tally)
    enclosed = _enclosed(label_map, present, demanded, tally)
    offsets = _offsets(present, demanded, tally)
    score = _score(tally.checks, present, enclosed)
    if not present:
        score, tally.reasons[:] = 0.0, ["expected at least one labelled voxel, got an empty map"]
    elif score < demanded.refuse_below and not tally.reasons:
        tally.reasons.append(f"expected a score of {demanded.refuse_below:g} or more, got {score:.2f}")
    return PlausibilityReport(
        volumes_ml=volumes,
        components={name: shape.components for name, shape in shapes.items()},
        largest_shares={name: shape.largest_share for name, shape in present.items()},
        gaps_mm=gaps,
        enclosed_shares=enclosed,
        offsets_mm=offsets,
        checks=tally.checks,
        score=score,
        reasons=tuple(tally.reasons),
    )


def _score(
    checks: Mapping[str, float],
    present: Mapping[str, _Shape],
    enclosed: Mapping[tuple[str, str], float],
) -> float:
    shapes = list(present.values())
    parts = [
        list(checks.values()) or [1.0],
        [shape.largest_share for shape in shapes],
        [shape.components**-0.5 for shape in shapes],
        list(enclosed.values()),
    ]
    return float(np.mean([np.mean(part) for part in parts if part]))


@dataclass(frozen=True, kw_only=True)
class _Shape:
    """One structure; ``centre``, ``lowest`` and ``highest`` (of its bounding box's corners) in LPS mm."""

    value: int
    volume_ml: float
    components: int
    largest_share: float
    centre: Point
    lowest: Point
    highest: Point


@dataclass
class _Tally:
    checks: dict[str, float] = field(default_factory=dict)
    reasons: list[str] = field(default_factory=list)

    def add(self, name: str, value: float, expected: str, got: str) -> None:
        self.checks[name] = value
        if value < 1.0:
            self.reasons.append(f"{name}: expected {expected}, got {got}")


def _shapes(label_map: LabelMap) -> dict[str, _Shape]:
    boxes = ndimage.find_objects(label_map.labels, max_label=max(label_map.names, default=0))
    found = {}
    for value, name in sorted(label_map.names.items()):
        box = boxes[value - 1]
        found[name] = _shape(label_map, value, box) if box is not None else _absent(value)
    return found


def _absent(value: int) -> _Shape:
    nowhere = np.full(3, np.nan)
    return _Shape(
        value=value, volume_ml=0.0, components=0, largest_share=0.0,
        centre=nowhere, lowest=nowhere, highest=nowhere,
    )  # fmt: skip


def _shape(label_map: LabelMap, value: int, box: Box) -> _Shape:
    mask = label_map.labels[box] == value
    parts, count = ndimage.label(mask, _TOUCHING)
    sizes = np.bincount(parts.ravel())[1:]
    affine = label_map.geometry.affine
    centre = np.argwhere(mask).mean(axis=0) + [axis.start for axis in box]
    corners = np.array(list(itertools.product(*((axis.start, axis.stop - 1) for axis in box))))
    reach = corners @ affine[:3, :3].T + affine[:3, 3]
    return _Shape(
        value=value,
        volume_ml=float(sizes.sum() * label_map.geometry.voxel_volume_ml),
        components=int(count),
        largest_share=float(sizes.max() / sizes.sum()),
        centre=affine[:3, :3] @ centre + affine[:3, 3],
        lowest=reach.min(axis=0),
        highest=reach.max(axis=0),
    )


def _gaps(
    label_map: LabelMap, present: Mapping[str, _Shape], demanded: Plausibility, tally: _Tally
) -> dict[tuple[str, str], float]:
    gaps = {}
    for first, second in demanded.neighbours:
        if first in present and second in present:
            gap = gap_mm(label_map, present[first].value, present[second].value)
            gaps[first, second] = gap
            value = min(1.0, demanded.max_gap_mm / max(gap, 1e-9))
            tally.add(f"gap of {first} and {second}", value, f"{demanded.max_gap_mm:g} mm", f"{gap:.1f} mm")
    return gaps


def gap_mm(label_map: LabelMap, first: int, second: int) -> float:
    """Least distance between voxel centres of two values, less one voxel's diagonal; 0 where they touch.

    Infinite when one is missing. The grid's axes must be orthogonal.
    """
    if not (mine := label_map.labels == first).any() or not (other := label_map.labels == second).any():
        return math.inf
    box = ndimage.find_objects((mine | other).astype(np.uint8))[0]
    spacing = label_map.geometry.spacing_mm
    distance = ndimage.distance_transform_edt(~other[box], sampling=spacing)
    nearest = float(np.asarray(distance)[mine[box]].min())
    return max(0.0, nearest - float(np.linalg.norm(spacing)))


def _enclosed(
    label_map: LabelMap, present: Mapping[str, _Shape], demanded: Plausibility, tally: _Tally
) -> dict[tuple[str, str], float]:
    shares = {}
    for inner, outer, least in demanded.enclosed:
        if inner in present and outer in present:
            inside = bordering_share(label_map, present[inner].value, present[outer].value)
            outside = bordering_share(label_map, present[outer].value, present[inner].value)
            shares[inner, outer] = inside
            value = min(1.0, inside / max(least, outside, 1e-9))
            expected = f"{max(least, outside):.2f} of its surface"
            tally.add(f"{inner} inside {outer}", value, expected, f"{inside:.2f}")
    return shares


def bordering_share(label_map: LabelMap, inner: int, outer: int) -> float:
    """Share of the surface of ``inner``, in mm², whose other side is ``outer``; the grid's edge is no side."""
    labels, spacing = label_map.labels, label_map.geometry.spacing_mm
    whole = shared = 0.0
    for axis in range(3):
        area = math.prod(spacing) / spacing[axis]
        before, after = np.moveaxis(labels, axis, 0)[:-1], np.moveaxis(labels, axis, 0)[1:]
        for near, far in ((before, after), (after, before)):
            sides = far[near == inner]
            whole += area * np.count_nonzero(sides != inner)
            shared += area * np.count_nonzero(sides == outer)
    return shared / whole if whole else 0.0


def _offsets(
    present: Mapping[str, _Shape], demanded: Plausibility, tally: _Tally
) -> dict[tuple[str, str, str], float]:
    """How far centres and, for ``beyond``, outermost voxels lie on the demanded side, in mm."""
    offsets = {}
    rules = [(*rule, "lies", False) for rule in demanded.sides]
    rules += [(*rule, "reaches further", True) for rule in demanded.beyond]
    for first, side, second, verb, outermost in rules:
        if first in present and second in present:
            direction = np.array(_SIDES[side], dtype=np.float64)
            a, b = (_along(present[name], direction, outermost) for name in (first, second))
            offsets[first, side, second] = a - b
            name = f"{first} {verb} {side} of {second}"
            tally.add(name, float(a > b), "more than 0 mm", f"{a - b:.0f} mm")
    return offsets


def _along(shape: _Shape, direction: Point, outermost: bool) -> float:
    axis = int(np.argmax(np.abs(direction)))
    if not outermost:
        return float(shape.centre @ direction)
    return float((shape.highest if direction[axis] > 0 else -shape.lowest)[axis])


def _expect(holds: bool, expected: str, got: str) -> None:
    if not holds:
        raise ParameterError(expected=expected, got=got, hint="the shipped `plausibility` of params.yaml")
