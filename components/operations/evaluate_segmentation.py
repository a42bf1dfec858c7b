"""Judge a segmentation model on held-out cine CT: overlap, surfaces and the cardiac cycle."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from components.cohort.frame_id import case_of
from components.metrics.cardiac_cycle import consecutive_dice, ejection_fraction, volumes_ml
from components.metrics.overlap import dice_per_structure, structure_masks
from components.metrics.surface_distance import hd95_mm
from components.models.prediction import FramePrediction, Predictor
from components.operations.evaluation import Evaluation, IntervalParams, mean_interval
from components.operations.scoring import score_cases
from components.volume.volume import LabelMap, Volume

DICE, HD95, CONSECUTIVE = "dice_", "hd95_mm_", "consecutive_dice_"
PREDICTED, EXPERT, EJECTION = "predicted_ml_", "expert_ml_", "ejection_fraction_"
_METRICS = {"dice": DICE, "hd95_mm": HD95, "consecutive_dice": CONSECUTIVE}


def evaluate_segmentation(
    predictor: Predictor,
    frames: pd.DataFrame,
    load: Callable[[str], Volume],
    expert: Callable[[str], LabelMap | None],
    params: IntervalParams,
    *,
    cavity: str = "left_ventricle",
    progress: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """Predict each frame once; judge those for which ``expert`` has a label map, score all.

    Args:
        frames: the held-out rows of frames.parquet.
        load, expert: frame_id → volume, and label map on the same grid or ``None``.
        cavity: the structure whose ejection fraction is compared.
    """
    judge = _Judge(expert=expert)
    reference = score_cases(
        predictor, frames, load, on_prediction=judge.see, on_error=judge.fail, progress=progress
    )
    judge.close_case()
    table = _frame_table(judge.rows, frames)
    per_patient = _per_patient(table, pd.DataFrame(judge.cycles), frames, cavity)
    return Evaluation(
        metrics=_metrics(per_patient, table, judge.failed, params),
        per_patient=per_patient,
        frames=table,
        reference=reference,
    )


@dataclass
class _Judge:
    """Sees predictions frame by frame and holds the label maps of one case at a time."""

    expert: Callable[[str], LabelMap | None]
    rows: list[dict[str, Any]] = field(default_factory=list)
    cycles: list[dict[str, Any]] = field(default_factory=list)
    failed: int = 0
    _case: str = ""
    _cycle: list[LabelMap] = field(default_factory=list)

    def see(self, frame_id: str, prediction: FramePrediction) -> None:
        if prediction.labels is None:
            return
        if case_of(frame_id) != self._case:
            self.close_case()
            self._case = case_of(frame_id)
        self._cycle.append(prediction.labels)
        row = _prefixed(PREDICTED, volumes_ml(prediction.labels))
        expert = self.expert(frame_id)
        if expert is not None:
            row |= _against_expert(prediction.labels, expert)
        self.rows.append({"frame_id": frame_id, "judged": expert is not None, **row})

    def fail(self, frame_id: str, error: Exception) -> None:
        """A frame on which the model fails counts as missed, not as absent."""
        self.failed += 1
        expert = self.expert(frame_id)
        if expert is not None:
            row = {f"{DICE}{name}": 0.0 for name in expert.names.values()}
            self.rows.append({"frame_id": frame_id, "judged": True, **row})

    def close_case(self) -> None:
        """Compare the frames of the case that ends."""
        if len(self._cycle) > 1:
            series = consecutive_dice(self._cycle)
            means = {name: _mean(values) for name, values in series.items()}
            self.cycles.append({"case_id": self._case, **_prefixed(CONSECUTIVE, means)})
        self._cycle = []


def _against_expert(predicted: LabelMap, expert: LabelMap) -> dict[str, float]:
    spacing_mm = expert.geometry.spacing_mm
    distances = {
        name: hd95_mm(ours, theirs, spacing_mm) for name, ours, theirs in structure_masks(predicted, expert)
    }
    return {
        **_prefixed(DICE, dice_per_structure(predicted, expert)),
        **_prefixed(HD95, distances),
        **_prefixed(EXPERT, volumes_ml(expert)),
    }


def _frame_table(rows: list[dict[str, Any]], frames: pd.DataFrame) -> pd.DataFrame:
    """Rows with patient, batch and phase; sorted, so that the order of prediction does not matter."""
    table = pd.DataFrame(rows, columns=None if rows else ["frame_id", "judged"])
    identity = frames[["frame_id", "case_id", "patient_id", "batch", "phase_percent"]]
    return identity.merge(table, on="frame_id", how="inner").sort_values("frame_id", ignore_index=True)


def _per_patient(
    table: pd.DataFrame, cycles: pd.DataFrame, frames: pd.DataFrame, cavity: str
) -> pd.DataFrame:
    """Means over each patient's judged frames; the cycle's columns over all of their frames."""
    judged = table[table["judged"].astype(bool)].copy()
    dice = _columns(judged, DICE)
    judged[f"{DICE}mean"] = judged[dice].mean(axis=1)
    values = [f"{DICE}mean", *dice, *_columns(judged, HD95)]
    grouped = judged.groupby(["patient_id", "batch"], sort=True)
    result = grouped[values].mean()
    result.insert(0, "frames", grouped.size())
    result = result.reset_index()
    if len(cycles):
        owner = frames.drop_duplicates("case_id").set_index("case_id")["patient_id"]
        cycles = cycles.assign(patient_id=cycles["case_id"].map(owner)).drop(columns="case_id")
        result = result.merge(_by_patient(cycles), on="patient_id", how="left")
    return result.merge(_ejection_fractions(table, cavity), on="patient_id", how="left")


def _ejection_fractions(table: pd.DataFrame, cavity: str) -> pd.DataFrame:
    """Of the first case of each patient; the expert's only where every frame has an expert's label."""
    rows = []
    for patient, frames in table.groupby("patient_id", sort=True):
        cycle = frames[frames["case_id"] == frames["case_id"].iloc[0]]
        row = {"patient_id": patient}
        for who, prefix in (("predicted", PREDICTED), ("expert", EXPERT)):
            curve = cycle[f"{prefix}{cavity}"].to_numpy(np.float64) if f"{prefix}{cavity}" in cycle else None
            whole = curve is not None and len(curve) > 1 and bool(np.isfinite(curve).all())
            row[f"{EJECTION}{who}"] = ejection_fraction(curve) if whole and curve is not None else np.nan
        rows.append(row)
    return pd.DataFrame(rows, columns=["patient_id", f"{EJECTION}predicted", f"{EJECTION}expert"])


def _metrics(
    per_patient: pd.DataFrame, table: pd.DataFrame, failed: int, params: IntervalParams
) -> dict[str, Any]:
    result: dict[str, Any] = {
        "labels": "expert",
        "patients": len(per_patient),
        "frames": int(table["judged"].sum()),
        "frames_failed": failed,
    }
    for name, prefix in _METRICS.items():
        result[name] = {
            column.removeprefix(prefix): mean_interval(per_patient, column, params)
            for column in _columns(per_patient, prefix)
        }
    gap = per_patient[f"{EJECTION}predicted"] - per_patient[f"{EJECTION}expert"]
    error = per_patient[["patient_id"]].assign(error=gap.abs())
    result["ejection_fraction_error"] = {"mean_absolute": mean_interval(error, "error", params)}
    return result


def _by_patient(table: pd.DataFrame) -> pd.DataFrame:
    return table.groupby("patient_id", as_index=False).mean()


def _columns(table: pd.DataFrame, prefix: str) -> list[str]:
    return [name for name in map(str, table.columns) if name.startswith(prefix)]


def _prefixed(prefix: str, values: dict[str, float]) -> dict[str, float]:
    return {f"{prefix}{name}": value for name, value in values.items()}


def _mean(values: np.ndarray[Any, np.dtype[np.float64]]) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else float("nan")
