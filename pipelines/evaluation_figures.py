"""Which pictures belong to an evaluation."""

from __future__ import annotations

from pathlib import Path

from components.operations.evaluation import IntervalParams
from pipelines.classification_report import JudgedClassifier
from pipelines.figures.calibration_curves import draw_calibration_curves
from pipelines.figures.canvas import save
from pipelines.figures.intervals import draw_intervals
from pipelines.figures.overlays import draw_overlays
from pipelines.figures.roc_curves import draw_roc_curves
from pipelines.figures.volume_curves import draw_volume_curves
from pipelines.figures.windows import WINDOWS_HU
from pipelines.segmentation_report import JudgedModel, judged_overlays


def segmentation_figures(folder: Path, judged: JudgedModel) -> None:
    """dice.png, hd95.png, overlays.png (worst, median and best judged frame), volume_curves.png.

    A frame on which the model fails counts in the intervals and has no picture.
    """
    for name, unit in (("dice", "Dice"), ("hd95_mm", "HD95, mm")):
        metric = judged.evaluation.metrics[name]
        figure = draw_intervals(metric, title=f"{unit} on held-out patients", unit=unit)
        save(figure, folder / f"{name.removesuffix('_mm')}.png")
    if judged.frames["phase_percent"].notna().any():
        save(draw_volume_curves(judged.evaluation.frames, judged.structures), folder / "volume_curves.png")
    if overlays := list(judged_overlays(judged)):
        save(draw_overlays(overlays, window_hu=WINDOWS_HU["segmentation"]), folder / "overlays.png")


def classification_figures(folder: Path, judged: JudgedClassifier, params: IntervalParams) -> None:
    """auroc.png, brier.png, roc.png, calibration.png; nothing without a finding that can be judged."""
    metrics, scores = judged.evaluation.metrics, judged.scores
    if not scores.findings:
        return
    for name, unit in (("auroc", "AUROC"), ("brier", "Brier score")):
        figure = draw_intervals(metrics[name], title=f"{unit} on held-out patients", unit=unit)
        save(figure, folder / f"{name}.png")
    save(draw_roc_curves(scores, metrics), folder / "roc.png")
    temperature = judged.calibration["temperature"]
    save(draw_calibration_curves(scores, temperature, params), folder / "calibration.png")
