"""A segmentation model judged on expert-labelled frames, with all that its report draws."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from components.models.prediction import Predictor
from components.operations.evaluate_segmentation import evaluate_segmentation
from components.volume.volume import Volume
from pipelines.evaluate_params import EvaluateParams
from pipelines.held_out import expert_label_map
from pipelines.predicted_labels import PredictedLabels
from pipelines.progress import bar
from pipelines.segmentation_report import JudgedModel
from pipelines.workspace import Workspace


def judge_segmentation(
    home: Workspace,
    predictor: Predictor,
    frames: pd.DataFrame,
    load: Callable[[str], Volume],
    params: EvaluateParams,
    *,
    title: str,
) -> JudgedModel:
    """Predict ``frames`` once, against the expert labels of ``home``; ``title`` is the progress bar's."""
    expert, kept = expert_label_map(home), PredictedLabels()
    evaluation = evaluate_segmentation(
        predictor,
        frames,
        load,
        expert,
        params.intervals,
        surface_tolerance_mm=params.surface_tolerance_mm,
        min_subgroup_patients=params.min_subgroup_patients,
        on_prediction=kept.keep,
        progress=bar(title),
    )
    return JudgedModel(
        evaluation=evaluation,
        structures=predictor.label_names,
        load=load,
        expert=expert,
        predicted=kept.label_map,
    )
