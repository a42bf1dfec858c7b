"""Thresholds and connected components as a teacher: lungs and bones without any weights.

A first teacher where no model fits, and a reference for tests. Lungs are air inside the body (Hu et al. 2001,
IEEE TMI 20:490: threshold, fill, keep the two largest parts); bones are what is as dense as bone, which
contrast medium and metal are too.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import prod

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from components.errors import EmptyPrediction, ParameterError
from components.models.teacher_labels import TeacherLabels
from components.volume.geometry import Geometry
from components.volume.volume import LabelMap, Volume

Mask = npt.NDArray[np.bool_]
_BODY_ABOVE_HU = -400
_BYTES_PER_VOXEL = 64  # of the distance transform, scipy's most demanding step here


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One structure.

    Args:
        window_hu: least and largest value of its voxels.
        inside_body: only what lies within the body's outline, slice by slice.
        opening_mm: radius; cuts off what hangs on by less than twice this.
        closing_mm: radius; fills gaps, vessels in a lung say, up to twice this.
        min_ml: smaller connected parts are dropped.
        keep: at most so many parts, the largest; 0 keeps all.
    """

    window_hu: tuple[float, float]
    inside_body: bool = True
    opening_mm: float = 0.0
    closing_mm: float = 0.0
    min_ml: float = 1.0
    keep: int = 0

    def __post_init__(self) -> None:
        if (
            not self.window_hu[0] < self.window_hu[1]
            or min(self.opening_mm, self.closing_mm, self.min_ml) < 0
        ):
            raise ParameterError(
                expected="window_hu of rising values, and no negative sizes",
                got=str(self),
                hint="window_hu: [-1000, -320]",
            )


@dataclass(frozen=True, kw_only=True, eq=False)
class RuleTeacher:
    """A ``Teacher``; rules by the name that ``labels`` maps to a structure, later ones over earlier ones."""

    rules: Mapping[str, Rule]
    labels: TeacherLabels
    name: str = "rule"

    @property
    def fingerprint(self) -> str:
        """Over the rules in their order and the labels."""
        rules = [[name, asdict(rule)] for name, rule in self.rules.items()]
        settings = ["rule-1", rules, dict(self.labels.to_structure), list(self.labels.structures)]
        return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()

    def label(self, volume: Volume) -> LabelMap:
        """Label one frame on its native grid; see ``Teacher``."""
        values = np.zeros(volume.geometry.shape, dtype=np.uint8)
        body = body_mask(volume)
        for value, rule in enumerate(self.rules.values(), start=1):
            values[apply_rule(rule, volume, body)] = value
        return self.labels.read(values, volume.geometry, dict(enumerate(self.rules, start=1)))

    def memory_mb(self, geometry: Geometry) -> float:
        return _BYTES_PER_VOXEL * prod(geometry.shape) / 1e6


def rule_teacher(rules: Mapping[str, Rule], labels: TeacherLabels) -> RuleTeacher:
    """``ParameterError`` without rules, or when ``labels`` leaves one of them out."""
    unmapped = [name for name in rules if labels.value_of(name) is None]
    if not rules or unmapped:
        raise ParameterError(
            expected="rules, each mapped by `labels`",
            got=", ".join(unmapped) or "no rules",
            hint="labels: {lungs: lungs}",
        )
    return RuleTeacher(rules=rules, labels=labels)


def body_mask(volume: Volume) -> Mask:
    """``(z, y, x)``: the largest connected part denser than air, holes filled slice by slice along the patient.

    Raises ``EmptyPrediction`` when there is nothing but air.
    """
    dense = volume.voxels_hu > _BODY_ABOVE_HU
    # a table touches the patient: a thin bridge must not join them
    parts, count = ndimage.label(_eroded(dense, volume.geometry, 2.0))
    if not count:
        raise EmptyPrediction(expected="a body", got="air", hint="checking that the frame is in HU")
    core = parts == np.argmax(np.bincount(parts.ravel())[1:]) + 1
    body = _dilated(core, volume.geometry, 3.0) & dense
    along = int(np.argmax(np.abs(volume.geometry.affine[2, :3])))
    slices = np.moveaxis(body, along, 0)  # a view: filled in place
    for index in range(len(slices)):
        slices[index] = ndimage.binary_fill_holes(slices[index])
    return body


def apply_rule(rule: Rule, volume: Volume, body: Mask) -> Mask:
    """``(z, y, x)``: what ``rule`` picks of ``volume``, possibly nothing."""
    low, high = rule.window_hu
    mask: Mask = (volume.voxels_hu >= low) & (volume.voxels_hu <= high)
    if rule.inside_body:
        mask &= body
    if rule.opening_mm:
        mask &= _dilated(_eroded(mask, volume.geometry, rule.opening_mm), volume.geometry, rule.opening_mm)
    mask = _largest_parts(mask, volume.geometry, rule)
    if rule.closing_mm and mask.any():
        closed = _eroded(_dilated(mask, volume.geometry, rule.closing_mm), volume.geometry, rule.closing_mm)
        mask |= closed & body if rule.inside_body else closed
    return mask


def _largest_parts(mask: Mask, geometry: Geometry, rule: Rule) -> Mask:
    parts, _ = ndimage.label(mask, np.ones((3, 3, 3), dtype=bool))
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    kept = sizes * geometry.voxel_volume_ml >= max(rule.min_ml, 1e-12)
    if rule.keep:
        order = np.argsort(-sizes, kind="stable")
        kept[order[rule.keep :]] = False
    kept[0] = False
    found: Mask = kept[parts]
    return found


def _dilated(mask: Mask, geometry: Geometry, radius_mm: float) -> Mask:
    """``mask`` and all within ``radius_mm`` of it, between voxel centres."""
    grown = np.zeros_like(mask)
    if (box := _box(mask, geometry, radius_mm)) is not None:
        grown[box] = ndimage.distance_transform_edt(~mask[box], sampling=geometry.spacing_mm) <= radius_mm
    return grown


def _eroded(mask: Mask, geometry: Geometry, radius_mm: float) -> Mask:
    """What lies deeper than ``radius_mm``; the edge of the grid erodes nothing."""
    left = np.zeros_like(mask)
    if mask.all():
        return mask
    if (box := _box(mask, geometry, max(geometry.spacing_mm))) is not None:
        left[box] = ndimage.distance_transform_edt(mask[box], sampling=geometry.spacing_mm) > radius_mm
    return left


def _box(mask: Mask, geometry: Geometry, margin_mm: float) -> tuple[slice, ...] | None:
    """The part of the grid that holds the mask and ``margin_mm`` around it; distances cost time per voxel."""
    found = ndimage.find_objects(mask.astype(np.uint8))
    if not found:
        return None
    steps = [int(np.ceil(margin_mm / spacing)) for spacing in geometry.spacing_mm]
    return tuple(slice(max(0, a.start - n), a.stop + n) for a, n in zip(found[0], steps, strict=True))
