"""What a segmentation model makes of each cine: how its volumes run, and how its neighbouring frames agree.

Smoothness alone proves nothing: a frozen mask is perfectly smooth. The expert's own curve is measured beside the
model's wherever every frame has a label.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from components.metrics.cardiac_cycle import Series, ejection_fraction
from components.metrics.temporal_consistency import (
    closure,
    cycle_of,
    largest_jump,
    temporal_roughness,
    total_variation,
    variation_coefficient,
)
from components.operations.segmentation_frames import EXPERT, PREDICTED

CONSECUTIVE, EJECTION = "consecutive_dice_", "ejection_fraction_"
ROUGHNESS, EXPERT_ROUGHNESS = "roughness_", "expert_roughness_"
TOTAL_VARIATION, LARGEST_JUMP, CLOSURE = "total_variation_", "largest_jump_", "closure_"
MYOCARDIUM = "myocardium_variation_"
MUSCLE = "myocardium"

_CURVE_METRICS: Mapping[str, Callable[[Series], float]] = {
    ROUGHNESS: temporal_roughness,
    TOTAL_VARIATION: total_variation,
    LARGEST_JUMP: largest_jump,
    CLOSURE: closure,
}


def cycle_table(frames: pd.DataFrame, pairs: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """One row per cine: ``case_id``, ``patient_id``, ``frames``, ``gaps`` and the temporal metrics.

    ``gaps`` counts the phases that are missing, or on which the model failed; NaN where the phases have no even
    step, and then nothing but the Dice between neighbours is measured.

    Args:
        frames: one row per frame with ``phase_percent`` and the volumes; rows in any order.
        pairs: Dice between frames that follow each other, see ``FrameJudge``.
    """
    by_first = {(str(pair["first"]), str(pair["second"])): pair["dice"] for pair in pairs}
    rows = [
        _cycle(case.sort_values("phase_percent"), by_first)
        for _, case in frames.groupby("case_id", sort=True)
        if len(case) > 1
    ]
    return pd.DataFrame(rows, columns=None if rows else ["case_id", "patient_id", "frames", "gaps"])


def ejection_fractions(frames: pd.DataFrame, cavity: str) -> pd.DataFrame:
    """Of the first case of each patient; where a frame lacks a volume (model or expert) there is none."""
    rows = []
    for patient, cases in frames.groupby("patient_id", sort=True):
        cycle = cases[cases["case_id"] == cases["case_id"].iloc[0]]
        row: dict[str, Any] = {"patient_id": patient}
        for who, prefix in (("predicted", PREDICTED), ("expert", EXPERT)):
            curve = _volumes(cycle, f"{prefix}{cavity}")
            whole = len(curve) > 1 and bool(np.isfinite(curve).all())
            row[f"{EJECTION}{who}"] = ejection_fraction(curve) if whole else np.nan
        rows.append(row)
    return pd.DataFrame(rows, columns=["patient_id", f"{EJECTION}predicted", f"{EJECTION}expert"])


def _cycle(case: pd.DataFrame, dice: Mapping[tuple[str, str], Mapping[str, float]]) -> dict[str, Any]:
    phases = case["phase_percent"].tolist()
    order = cycle_of(phases, [float(place) for place in range(len(case))])
    return {
        "case_id": case["case_id"].iloc[0],
        "patient_id": case["patient_id"].iloc[0],
        "frames": len(case),
        "gaps": _gaps(case, order),
        **_neighbours(case["frame_id"].tolist(), order, dice),
        **_curves(case, phases),
    }


def _gaps(case: pd.DataFrame, order: Series) -> float:
    if not order.size:
        return float("nan")
    failed = int(case["failed"].sum()) if "failed" in case else 0
    return float(np.isnan(order).sum() + failed)


def _either_way(
    dice: Mapping[tuple[str, str], Mapping[str, float]], first: str, second: str
) -> Mapping[str, float]:
    """A smoothed cine of two frames comes last frame first."""
    return dice.get((first, second)) or dice.get((second, first), {})


def _neighbours(
    names: Sequence[str], order: Series, dice: Mapping[tuple[str, str], Mapping[str, float]]
) -> dict[str, float]:
    """Mean Dice of neighbours by structure; frames on both sides of a gap are no neighbours.

    A frame at 100 %, which is the next cycle's first and has no place of its own, stands for the first frame where
    the last one is compared with it.
    """
    places = order if order.size else np.arange(float(len(names)))
    following = np.roll(places, -1)
    if len(names) == 2:
        places, following = places[:1], following[:1]
    closing = {names[0]: names[-1]} if order.size and np.isfinite(order).sum() < len(names) else {}
    found = [
        _either_way(dice, names[int(first)], closing.get(names[int(second)], names[int(second)]))
        for first, second in zip(places, following, strict=True)
        if np.isfinite(first) and np.isfinite(second)
    ]
    structures = dict.fromkeys(name for pair in found for name in pair)
    means = {name: _mean([pair.get(name, np.nan) for pair in found]) for name in structures}
    return _prefixed(CONSECUTIVE, {"mean": _mean(list(means.values())), **means} if means else {})


def _curves(case: pd.DataFrame, phases: Sequence[float]) -> dict[str, float]:
    row: dict[str, float] = {}
    for structure in _structures(case):
        curve = cycle_of(phases, _volumes(case, f"{PREDICTED}{structure}"))
        expert = _expert_curve(case, phases, structure)
        row |= {f"{prefix}{structure}": measure(curve) for prefix, measure in _CURVE_METRICS.items()}
        row[f"{EXPERT_ROUGHNESS}{structure}"] = temporal_roughness(expert)
        if structure == MUSCLE:
            row |= {
                f"{MYOCARDIUM}predicted": variation_coefficient(curve),
                f"{MYOCARDIUM}expert": variation_coefficient(expert),
            }
    return row | {
        f"{prefix}mean": _mean([value for key, value in row.items() if key.startswith(prefix)])
        for prefix in (*_CURVE_METRICS, EXPERT_ROUGHNESS)
    }


def _expert_curve(case: pd.DataFrame, phases: Sequence[float], structure: str) -> Series:
    """Empty unless the expert drew every frame."""
    curve = _volumes(case, f"{EXPERT}{structure}")
    return cycle_of(phases, curve) if curve.size and np.isfinite(curve).all() else np.empty(0)


def _structures(frames: pd.DataFrame) -> list[str]:
    columns = map(str, frames.columns)
    return [name.removeprefix(PREDICTED) for name in columns if name.startswith(PREDICTED)]


def _volumes(frames: pd.DataFrame, column: str) -> Series:
    return frames[column].to_numpy(np.float64) if column in frames else np.empty(0)


def _prefixed(prefix: str, values: Mapping[str, float]) -> dict[str, float]:
    return {f"{prefix}{name}": value for name, value in values.items()}


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if np.isfinite(value)]
    return float(np.mean(known)) if known else float("nan")
