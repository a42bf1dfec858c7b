"""A cine made of the real heart scan by a known beat, shown beside the claims: an illustration, no claim.

Its texture is real, its motion and labels are known; the labels are another tool's: the whole heart, and the
pulmonary artery.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from components.errors import TeacherError
from components.metrics.cardiac_cycle import volumes_ml
from components.metrics.overlap import dice
from components.metrics.temporal_consistency import temporal_roughness
from components.models.teacher import Teacher
from components.models.training_plan import SegmentationPlan
from components.volume.volume import LabelMap, Volume
from pipelines.bench.self_training_cases import SPACING_MM, even_phases

if TYPE_CHECKING:
    from components.models.unet import UNet

PHASES = 10
AMPLITUDE = 0.3
_CHAMBERS = ("left_ventricle", "right_ventricle", "left_atrium", "right_atrium", "myocardium")


@dataclass(frozen=True, kw_only=True, eq=False)
class Illustration:
    """Args:
    table: JSON-able numbers, or why there are none.
    volumes_ml: who → heart volume in ml at each phase, with ``truth`` among them.
    shown: the volume at end-diastole and at end-systole with (truth, M_2's labels), for pictures.
    """

    table: dict[str, Any]
    volumes_ml: dict[str, list[float]] = field(default_factory=dict)
    shown: Sequence[tuple[Volume, LabelMap, LabelMap]] = ()


def illustrate(teacher: Teacher, student: UNet, plan: SegmentationPlan) -> Illustration:
    """Teacher and student on the semi-synthetic cine; needs the real scans at ``CTLOOP_REALDATA``."""
    folder = Path(os.environ.get("CTLOOP_REALDATA", "")) / "heart"
    if not os.environ.get("CTLOOP_REALDATA") or not (folder / "heart_ct.nii.gz").is_file():
        return Illustration(
            table={"shown": False, "why": "no heart/heart_ct.nii.gz where CTLOOP_REALDATA points"}
        )
    from components.models.whole_frame import Labeller

    cine, labeller = _cine(folder), Labeller.of(student, plan)

    def by_student(volume: Volume) -> LabelMap:
        return LabelMap(labels=labeller.labels(volume.voxels_hu), geometry=volume.geometry, names=names)

    names = _label(teacher, cine[0][0]).names
    drawn: dict[str, Callable[[Volume], LabelMap]] = {
        "teacher": lambda volume: _label(teacher, volume),
        "M_2": by_student,
    }
    maps = {who: [draw(volume) for volume, _ in cine] for who, draw in drawn.items()}
    truth = [label for _, label in cine]
    curves = {who: [_heart_ml(one) for one in found] for who, found in maps.items()}
    curves["truth"] = [_heart_ml(one) for one in truth]
    rows = {
        who: {
            "heart_dice": round(
                float(np.mean([_dice(a, b, "heart") for a, b in zip(found, truth, strict=True)])), 4
            ),
            "roughness": round(temporal_roughness(np.array(curves[who])), 4),
        }
        for who, found in maps.items()
    }
    systole = int(np.argmin(curves["truth"]))
    shown = [(cine[i][0], truth[i], maps["M_2"][i]) for i in (0, systole)]
    table = {"shown": True, "note": "semi-synthetic: one real scan moved by a known beat; no claim", **rows}
    return Illustration(table=table, volumes_ml=curves, shown=shown)


def _cine(folder: Path) -> list[tuple[Volume, LabelMap]]:
    from components.adapters.readers import read_label_map, read_source
    from components.cohort.scan import ScannedFrame
    from components.phantom.semi_synthetic import beating_cine
    from components.volume.canonical import canonical_geometry
    from components.volume.resample import resample, resample_labels

    (frame,) = read_source(folder, ("heart_ct.nii.gz",), min_slices=8)
    assert isinstance(frame, ScannedFrame)
    names = {1: "heart", 2: "pulmonary_artery", **{v: f"landmark_{v}" for v in range(3, 8)}}
    labels = read_label_map(folder / "heart_labels.nii.gz", names, frame.volume)
    grid = canonical_geometry(frame.volume.geometry, (SPACING_MM,) * 3)
    return [
        (resample(volume, grid), resample_labels(moved, grid))
        for _, volume, moved in beating_cine(
            frame.volume, labels, phases_percent=even_phases(PHASES), amplitude=AMPLITUDE
        )
    ]


def _label(teacher: Teacher, volume: Volume) -> LabelMap:
    try:
        return teacher.label(volume)
    except TeacherError:
        return LabelMap(labels=np.zeros(volume.geometry.shape, np.uint8), geometry=volume.geometry, names={})


def _heart_ml(label_map: LabelMap) -> float:
    return sum(ml for name, ml in volumes_ml(label_map).items() if name in (*_CHAMBERS, "heart"))


def _dice(first: LabelMap, second: LabelMap, _: str) -> float:
    return dice(_heart(first), _heart(second))


def _heart(label_map: LabelMap) -> Any:
    values = [value for value, name in label_map.names.items() if name in (*_CHAMBERS, "heart")]
    return np.isin(label_map.labels, values)
