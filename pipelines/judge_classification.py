"""A classification model judged on scans with an expert's findings, with all that its report shows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from components.errors import InputError
from components.models.prediction import Predictor
from components.models.relevance import Explainer
from components.operations.evaluate_classification import evaluate_classification
from components.volume.geometry import Geometry
from components.volume.volume import Volume
from pipelines.classification_report import JudgedClassifier
from pipelines.evaluate_params import EvaluateParams
from pipelines.held_out import expert_findings
from pipelines.progress import bar
from pipelines.workspace import Workspace


def judge_classification(
    home: Workspace,
    predictor: Predictor,
    frames: pd.DataFrame,
    load: Callable[[str], Volume],
    params: EvaluateParams,
    calibration: Mapping[str, Any],
    *,
    title: str,
) -> JudgedClassifier:
    """Predict ``frames`` once, against the expert findings of ``home``; ``title`` is the progress bar's.

    Args:
        calibration: the content of calibration.json, which ``predictor`` already applies.
    """
    evaluation = evaluate_classification(
        predictor,
        frames,
        load,
        expert_findings(home),
        calibration["thresholds"],
        params.intervals,
        temperature=calibration["temperature"],
        min_subgroup_patients=params.min_subgroup_patients,
        progress=bar(title),
    )
    return JudgedClassifier(
        evaluation=evaluation,
        calibration=calibration,
        load=load,
        error_cases=params.error_cases,
        explain=predictor.explain if isinstance(predictor, Explainer) else None,
        native=native_grids(home),
    )


def native_grids(home: Workspace) -> Callable[[str], Geometry | None]:
    """frame_id → the grid of the scan as it was read; ``None`` where that is not kept."""
    from components.adapters.blosc_store import load_geometry

    def load(frame: str) -> Geometry | None:
        path = home.ingested("classification") / "volumes" / f"{frame}.b2nd"
        try:
            return load_geometry(path)
        except InputError:
            return None

    return load
