"""Which pictures belong to an evaluation."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd

from components.metrics.overlap import dice_per_structure
from components.models.prediction import FRAME_ERRORS, Predictor
from components.operations.evaluate_classification import PROBABILITY
from components.operations.evaluate_segmentation import DICE
from components.operations.evaluation import Evaluation
from components.volume.volume import LabelMap, Volume
from pipelines.figures.canvas import save
from pipelines.figures.intervals import draw_intervals
from pipelines.figures.overlays import Overlay, draw_overlays
from pipelines.figures.roc_and_calibration import draw_roc_and_calibration
from pipelines.figures.volume_curves import draw_volume_curves
from pipelines.figures.windows import WINDOWS_HU


def segmentation_figures(
    folder: Path,
    evaluation: Evaluation,
    predictor: Predictor,
    load: Callable[[str], Volume],
    expert: Callable[[str], LabelMap | None],
) -> None:
    """dice.png, hd95.png, overlays.png (worst, median and best judged frame), volume_curves.png.

    A frame on which the model fails counts in the intervals and has no picture.
    """
    for name, unit in (("dice", "Dice"), ("hd95_mm", "HD95, mm")):
        figure = draw_intervals(evaluation.metrics[name], title=f"{unit} on held-out patients", unit=unit)
        save(figure, folder / f"{name.removesuffix('_mm')}.png")
    predicted = _predicted(evaluation)
    if predicted["phase_percent"].notna().any():
        save(draw_volume_curves(predicted, predictor.label_names), folder / "volume_curves.png")
    drawn = (_overlay(frame, predictor, load, expert) for frame in _telling_frames(predicted))
    overlays = [overlay for overlay in drawn if overlay is not None]
    if overlays:
        save(draw_overlays(overlays, window_hu=WINDOWS_HU["segmentation"]), folder / "overlays.png")


def classification_figures(folder: Path, evaluation: Evaluation, label_names: tuple[str, ...]) -> None:
    """auroc.png, brier.png, roc_and_calibration.png; nothing without judged cases."""
    table = evaluation.per_patient
    findings = [name for name in label_names if f"{PROBABILITY}{name}" in table]
    if not len(table) or not findings:
        return
    for name, unit in (("auroc", "AUROC"), ("brier", "Brier score")):
        figure = draw_intervals(evaluation.metrics[name], title=f"{unit} on held-out patients", unit=unit)
        save(figure, folder / f"{name}.png")
    figure = draw_roc_and_calibration(table, findings, evaluation.metrics["auroc"])
    save(figure, folder / "roc_and_calibration.png")


def _predicted(evaluation: Evaluation) -> pd.DataFrame:
    """The frames that the model could predict: these have a scorecard."""
    table = evaluation.frames
    return table[table["frame_id"].isin(evaluation.reference["frame_id"])]


def _telling_frames(table: pd.DataFrame) -> list[str]:
    """Worst, median and best judged frame by mean Dice."""
    judged = table[table["judged"].astype(bool)]
    if not len(judged):
        return []
    dice = judged[[name for name in map(str, judged.columns) if name.startswith(DICE)]].mean(axis=1)
    order = dice.sort_values(kind="stable").index
    places = dict.fromkeys((0, len(order) // 2, len(order) - 1))
    return [str(judged.loc[order[place], "frame_id"]) for place in places]


def _overlay(
    frame: str,
    predictor: Predictor,
    load: Callable[[str], Volume],
    expert: Callable[[str], LabelMap | None],
) -> Overlay | None:
    """Predicts the frame again: holding all label maps of a large test set would need more memory.

    ``None`` when the model fails this time.
    """
    volume, truth = load(frame), expert(frame)
    try:
        predicted = predictor.predict(volume).labels
    except FRAME_ERRORS:
        return None
    assert truth is not None
    assert predicted is not None
    values = [value for value in dice_per_structure(predicted, truth).values() if value == value]
    mean = sum(values) / max(len(values), 1)
    return Overlay(caption=f"{frame}, Dice {mean:.2f}", volume=volume, predicted=predicted, expert=truth)
