"""Judge a segmentation model on held-out cine CT: overlap, surfaces, volumes and the cardiac cycle."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from components.models.prediction import FramePrediction, Predictor
from components.operations.evaluation import Evaluation, IntervalParams, mean_interval
from components.operations.scoring import score_cases
from components.operations.segmentation_cycles import (
    CLOSURE,
    CONSECUTIVE,
    EJECTION,
    EXPERT_ROUGHNESS,
    LARGEST_JUMP,
    MYOCARDIUM,
    ROUGHNESS,
    TOTAL_VARIATION,
    cycle_table,
    ejection_fractions,
)
from components.operations.segmentation_frames import (
    DICE,
    EXPERT,
    HD95,
    RELATIVE_BIAS,
    RELATIVE_ERROR,
    SURFACE_DICE,
    SURFACE_TOLERANCE_MM,
    VOLUME_BIAS,
    VOLUME_ERROR,
    FrameJudge,
    tolerance_of,
)
from components.operations.subgroups import patient_means, subgroups
from components.volume.volume import LabelMap, Volume

MEAN = "mean"
SMOOTHNESS = "smoothness alone proves nothing: a frozen mask is perfectly smooth; read it beside Dice"
# metric → prefix of its columns; of the frames with an expert's label, then of whole cines
FRAME_METRICS: Mapping[str, str] = {
    "dice": DICE,
    "surface_dice": SURFACE_DICE,
    "hd95_mm": HD95,
    "volume_bias_ml": VOLUME_BIAS,
    "volume_error_ml": VOLUME_ERROR,
    "volume_bias_relative": RELATIVE_BIAS,
    "volume_error_relative": RELATIVE_ERROR,
}
CYCLE_METRICS: Mapping[str, str] = {
    "roughness": ROUGHNESS,
    "expert_roughness": EXPERT_ROUGHNESS,
    "total_variation": TOTAL_VARIATION,
    "largest_jump": LARGEST_JUMP,
    "closure": CLOSURE,
    "myocardium_variation": MYOCARDIUM,
}
_WITH_MEAN = (DICE, SURFACE_DICE, HD95, RELATIVE_ERROR)
_SUBGROUP_MEASURES = {name: f"{FRAME_METRICS[name]}{MEAN}" for name in ("dice", "surface_dice", "hd95_mm")}


def evaluate_segmentation(
    predictor: Predictor,
    frames: pd.DataFrame,
    load: Callable[[str], Volume],
    expert: Callable[[str], LabelMap | None],
    params: IntervalParams,
    *,
    cavity: str = "left_ventricle",
    surface_tolerance_mm: Mapping[str, float] = SURFACE_TOLERANCE_MM,
    min_subgroup_patients: int = 2,
    on_prediction: Callable[[str, FramePrediction], None] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """Predict each frame once; judge those for which ``expert`` has a label map, score all.

    A structure that the experts drew nowhere does not judge the model: it may be missing, or only not asked for.
    An expert label that cannot judge (another grid, no voxel of a structure that the model knows, unreadable) is
    left out and named in ``metrics["expert_labels_refused"]``.

    Args:
        frames: the held-out rows of frames.parquet.
        load, expert: frame_id → volume, and label map on the same grid or ``None``.
        cavity: the structure whose ejection fraction is compared.
        surface_tolerance_mm: structure (or ``*``, every other) → tolerance of the surface Dice.
        min_subgroup_patients: a smaller subgroup is named and not judged.
        on_prediction: sees each frame's prediction too, to keep its label map for pictures.
    """
    for name in predictor.label_names:
        tolerance_of(name, surface_tolerance_mm)
    judge = FrameJudge(
        expert=expert, tolerance_mm=surface_tolerance_mm, structures=tuple(predictor.label_names)
    )

    def see(frame_id: str, prediction: FramePrediction) -> None:
        judge.see(frame_id, prediction)
        if on_prediction is not None:
            on_prediction(frame_id, prediction)

    reference = score_cases(
        predictor, frames, load, on_prediction=see, on_error=judge.fail, progress=progress
    )
    judge.close_case()
    table, not_drawn = _without_undrawn(_frame_table(judge, frames))
    table = _with_means(table)
    cycles = cycle_table(table, judge.pairs)
    per_patient = _per_patient(table, cycles, cavity)
    metrics = {
        **_counts(per_patient, table, judge),
        "structures_not_drawn": not_drawn,
        **_intervals(per_patient, {**FRAME_METRICS, "consecutive_dice": CONSECUTIVE}, params),
        "ejection_fraction_error": _ejection_error(per_patient, params),
        "temporal": _temporal(cycles, params),
        "subgroups": subgroups(
            table[table["judged"]],
            frames,
            patient_means(_SUBGROUP_MEASURES, params),
            min_patients=min_subgroup_patients,
        ),
    }
    return Evaluation(metrics=metrics, per_patient=per_patient, frames=table, reference=reference)


def _frame_table(judge: FrameJudge, frames: pd.DataFrame) -> pd.DataFrame:
    """A row per frame, also of those that failed, so that a cine shows its gaps; sorted by name."""
    table = pd.DataFrame(judge.rows, columns=None if judge.rows else ["frame_id", "judged"])
    identity = frames[["frame_id", "case_id", "patient_id", "batch", "phase_percent"]]
    table = identity.merge(table, on="frame_id", how="left").sort_values("frame_id", ignore_index=True)
    table["judged"] = table["judged"].eq(True)
    table["failed"] = table["frame_id"].isin(list(judge.failed))
    return table


def _with_means(table: pd.DataFrame) -> pd.DataFrame:
    """The means over structures beside the structures."""
    means = {f"{prefix}{MEAN}": table[_columns(table, prefix)].mean(axis=1) for prefix in _WITH_MEAN}
    return table.assign(**means)


def _without_undrawn(table: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Without the scores of structures that no expert label of the whole test set holds; and their names."""
    drawn = {name.removeprefix(EXPERT): table[name].fillna(0.0).max() for name in _columns(table, EXPERT)}
    undrawn = [name for name, most in drawn.items() if not most > 0.0]
    prefixes = (*FRAME_METRICS.values(), EXPERT)
    gone = [column for prefix in prefixes for name in undrawn if (column := f"{prefix}{name}") in table]
    return table.drop(columns=gone), undrawn


def _per_patient(table: pd.DataFrame, cycles: pd.DataFrame, cavity: str) -> pd.DataFrame:
    """Means over each patient's judged frames; the cycle's columns over all of their frames."""
    judged = table[table["judged"]]
    values = [column for prefix in FRAME_METRICS.values() for column in _mean_first(table, prefix)]
    grouped = judged.groupby(["patient_id", "batch"], sort=True)
    result = grouped[values].mean()
    result.insert(0, "frames", grouped.size())
    result = result.reset_index()
    result = result.merge(_cycles_by_patient(cycles), on="patient_id", how="left")
    return result.merge(ejection_fractions(table, cavity), on="patient_id", how="left")


def _cycles_by_patient(cycles: pd.DataFrame) -> pd.DataFrame:
    kept = cycles.drop(columns=["case_id", "frames"])
    return kept.groupby("patient_id", as_index=False, sort=True).mean()


def _counts(per_patient: pd.DataFrame, table: pd.DataFrame, judge: FrameJudge) -> dict[str, Any]:
    return {
        "labels": "expert",
        "patients": len(per_patient),
        "frames": int(table["judged"].sum()),
        "frames_failed": len(judge.failed),
        "expert_labels_refused": [
            {"frame_id": name, "reason": judge.refused[name]} for name in sorted(judge.refused)
        ],
        "structures_unknown_to_model": sorted(judge.unknown),
    }


def _intervals(table: pd.DataFrame, metrics: Mapping[str, str], params: IntervalParams) -> dict[str, Any]:
    return {
        name: {
            column.removeprefix(prefix): mean_interval(table, column, params)
            for column in _mean_first(table, prefix)
        }
        for name, prefix in metrics.items()
    }


def _ejection_error(per_patient: pd.DataFrame, params: IntervalParams) -> dict[str, Any]:
    """``bias``: predicted - expert, as a fraction of the end-diastolic volume; ``mean_absolute``: its size."""
    gap: pd.Series[float] = per_patient[f"{EJECTION}predicted"] - per_patient[f"{EJECTION}expert"]
    error = per_patient[["patient_id"]].assign(size=gap.abs(), bias=gap)
    return {
        "mean_absolute": mean_interval(error, "size", params),
        "bias": mean_interval(error, "bias", params),
    }


def _temporal(cycles: pd.DataFrame, params: IntervalParams) -> dict[str, Any]:
    """Over all cines, with or without expert labels; a patient's cines count together."""
    by_patient = _cycles_by_patient(cycles)
    return {
        "warning": SMOOTHNESS,
        "cycles": len(cycles),
        "cycles_with_gaps": int((cycles["gaps"] > 0).sum()),
        "cycles_without_even_phases": int(cycles["gaps"].isna().sum()),
        **_intervals(by_patient, CYCLE_METRICS, params),
    }


def _mean_first(table: pd.DataFrame, prefix: str) -> list[str]:
    columns = _columns(table, prefix)
    return sorted(columns, key=lambda column: column != f"{prefix}{MEAN}")


def _columns(table: pd.DataFrame, prefix: str) -> list[str]:
    return [name for name in map(str, table.columns) if name.startswith(prefix)]
