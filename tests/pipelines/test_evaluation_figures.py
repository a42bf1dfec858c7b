"""A model that fails on a frame still gets its figures, without that frame."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from components.operations.evaluate_segmentation import evaluate_segmentation
from components.operations.evaluation import IntervalParams
from components.volume.volume import LabelMap
from pipelines import evaluation_figures
from pipelines.evaluation_figures import segmentation_figures
from pipelines.figures.overlays import draw_overlays
from tests.components.operations.model_fakes import Segmenter, cine_frames, truth_of

PARAMS = IntervalParams(seed=0, draws=50, level=0.95)


def drawn(
    folder: Path, patch: pytest.MonkeyPatch, *, evaluated: Segmenter, shown: Segmenter
) -> tuple[set[str], list[str]]:
    """Files, and captions of the overlays."""
    frames, load = cine_frames(4)
    captions: list[str] = []

    def expert(frame: str) -> LabelMap:
        return truth_of(load(frame))

    def record(overlays: Any, **settings: Any) -> Any:
        captions.extend(overlay.caption for overlay in overlays)
        return draw_overlays(overlays, **settings)

    patch.setattr(evaluation_figures, "draw_overlays", record)
    evaluation = evaluate_segmentation(evaluated, frames, load, expert, PARAMS)
    segmentation_figures(folder, evaluation, shown, load, expert)
    return {path.name for path in folder.glob("*.png")}, captions


def test_failed_frames_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failing = Segmenter(fails_on=(2,))
    files, captions = drawn(tmp_path, monkeypatch, evaluated=failing, shown=failing)
    assert files == {"dice.png", "hd95.png", "overlays.png", "volume_curves.png"}
    assert len(captions) == 3  # worst, median and best of what could be predicted
    assert not any("case02" in caption for caption in captions)


def test_a_frame_that_fails_only_the_second_time_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, captions = drawn(tmp_path, monkeypatch, evaluated=Segmenter(), shown=Segmenter(fails_on=(0,)))
    assert 0 < len(captions) < 3
    assert not any("case00" in caption for caption in captions)


def test_a_model_that_fails_on_every_frame_has_its_intervals_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing = Segmenter(fails_on=(0, 1, 2, 3))
    files, _ = drawn(tmp_path, monkeypatch, evaluated=failing, shown=failing)
    assert files == {"dice.png", "hd95.png"}
