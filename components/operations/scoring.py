"""Scorecards: what the model says about each frame, and what each frame looks like."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from components.models.prediction import (
    CineAnswer,
    CinePredictor,
    ForetellsQuality,
    FramePrediction,
    LoadFrame,
    Predictor,
    frame_by_frame,
)
from components.scorecard.columns import (
    ACQUISITION,
    EMBEDDING,
    IDENTITY,
    IMAGE,
    LABEL_SET,
    META,
    OUTPUT,
    QUALITY,
)
from components.scorecard.image_statistics import image_statistics
from components.scorecard.predicted_quality import PredictedQuality
from components.scorecard.temporal import CycleJumps, neighbour_dice
from components.volume.label_counts import label_counts
from components.volume.volume import LabelMap, Volume

_log = logging.getLogger(__name__)

PseudoLabel = Callable[[str], LabelMap | None]
Scored = tuple[pd.DataFrame, dict[str, str]]
"""A scorecard table, and frame_id → why a frame has no row in it."""


def score_cases(
    predictor: Predictor,
    frames: pd.DataFrame,
    load: Callable[[str], Volume],
    *,
    pseudo: PseudoLabel | None = None,
    on_prediction: Callable[[str, FramePrediction], None] | None = None,
    progress: Callable[[int, int], None] | None = None,
    on_error: Callable[[str, Exception], None] | None = None,
) -> pd.DataFrame:
    """Predict every frame and describe it: the scorecard table of ``components.scorecard.columns``.

    Frames of a case are taken in phase order, several as one cine where the predictor can, and at most three
    label maps are held at a time. A frame that cannot be read or predicted has no row; it is told to
    ``on_error`` (default: a warning in the log).

    Args:
        predictor: the loaded model package.
        frames: one row per frame with at least ``frame_id``, ``case_id``, ``patient_id``; rows in any order.
        load: frame_id → volume.
        pseudo: frame_id → the teacher's label map on the volume's grid, or ``None``; see ``student_teacher_dice``.
        on_prediction: called with each frame_id and prediction as it is made (to write masks, to judge).
        progress: called with (frames done, frames in all) after each frame.
        on_error: called with the frame_id and the error of each frame that is left out.
    """
    rows: list[dict[str, Any]] = []
    done = 0

    def see(name: str, answer: FramePrediction | Exception) -> None:
        nonlocal done
        if isinstance(answer, Exception):
            (on_error or _warn)(name, answer)
        elif on_prediction is not None:
            on_prediction(name, answer)
        done += 1
        if progress is not None:
            progress(done, len(frames))

    for case in _cases(frames):
        rows += score_case(predictor, case, load, see=see, pseudo=pseudo)
    return scorecard_table(rows)


def score_case(
    predictor: Predictor,
    case: Sequence[Mapping[str, Any]],
    load: Callable[[str], Volume],
    *,
    see: Callable[[str, FramePrediction | Exception], None],
    pseudo: PseudoLabel | None = None,
) -> list[dict[str, Any]]:
    """The scorecard rows of one case, in the order of its frames; a frame that fails has none.

    Where the package can foretell its quality, every row has the estimate for the case, see ``with_quality``.

    Args:
        predictor: the loaded model package.
        case: rows of frames.parquet, in phase order.
        load: frame_id → volume.
        see: called with each frame_id and what was predicted, or why it could not be.
        pseudo: see ``score_cases``.
    """
    jumps, scored = CycleJumps(), {}
    for position, image, answer in _answers(predictor, load, case):
        name = str(case[position]["frame_id"])
        jumps.add(name, None if isinstance(answer, Exception) else answer.labels)
        if not isinstance(answer, Exception):
            row = _row(case[position], image, answer)
            scored[position] = row | _teacher_columns(answer.labels, pseudo(name) if pseudo else None)
        see(name, answer)
    measured = jumps.close()
    rows = [
        {**row, "temporal_jump": measured.get(row["frame_id"], float("nan"))}
        for _, row in sorted(scored.items())
    ]
    return with_quality(rows, predictor.quality if isinstance(predictor, ForetellsQuality) else None)


def with_quality(rows: list[dict[str, Any]], quality: PredictedQuality | None) -> list[dict[str, Any]]:
    """The rows of one case, each with the case's ``predicted_quality`` and its interval, if there is an estimate."""
    estimate = quality.estimate(rows) if quality is not None and rows else None
    if estimate is None:
        return rows
    columns = {QUALITY: estimate.value, f"{QUALITY}_low": estimate.low, f"{QUALITY}_high": estimate.high}
    return [{**row, **columns} for row in rows]


def scorecard_table(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Rows as a table; without any row, the columns that every scorecard has."""
    return pd.DataFrame(rows, columns=None if rows else [*IDENTITY, "uncertainty", "temporal_jump"])


def reason_of(error: Exception) -> str:
    """What is kept of an error; one without words has its class."""
    return str(error) or type(error).__name__


def _cases(frames: pd.DataFrame) -> Iterator[list[dict[str, Any]]]:
    for _, case in frames.groupby("case_id", sort=True):
        order = [column for column in ("phase_percent", "frame_id") if column in case]
        yield [
            {str(key): value for key, value in row.items()}
            for row in case.sort_values(order).to_dict("records")
        ]


def _answers(
    predictor: Predictor, load: Callable[[str], Volume], case: Sequence[Mapping[str, Any]]
) -> Iterator[tuple[int, Mapping[str, float], FramePrediction | Exception]]:
    """Position in the case, image statistics and answer of each frame; a cine is one call."""
    images: dict[int, Mapping[str, float]] = {}

    def loader(position: int) -> LoadFrame:
        def read() -> Volume:
            volume = load(str(case[position]["frame_id"]))
            images[position] = image_statistics(volume)
            return volume

        return read

    frames = [loader(position) for position in range(len(case))]
    answers: Iterator[CineAnswer] = (
        predictor.predict_cine(frames)
        if len(case) > 1 and isinstance(predictor, CinePredictor)
        else frame_by_frame(predictor.predict, frames)
    )
    for position, answer in answers:
        yield position, images.pop(position, {}), answer


def _warn(name: str, error: Exception) -> None:
    _log.warning("frame %s has no scorecard: %s", name, error)


def _teacher_columns(labels: LabelMap | None, teacher: LabelMap | None) -> dict[str, float]:
    """Without a pseudo-label no column; where neither shows a structure, or their grids differ, NaN."""
    if labels is None or teacher is None:
        return {}
    counts = label_counts(teacher.labels)
    foreground = sum(float(counts[value]) for value in teacher.names) * teacher.geometry.voxel_volume_ml
    return {"student_teacher_dice": neighbour_dice(labels, teacher), "foreground_ml": foreground}


def _row(frame: Mapping[str, Any], image: Mapping[str, float], prediction: FramePrediction) -> dict[str, Any]:
    return {
        **{column: frame.get(column, "" if column == "batch" else float("nan")) for column in IDENTITY},
        "uncertainty": float(prediction.uncertainty),
        "temporal_jump": float("nan"),
        **{name: float(value) for name, value in prediction.signals.items()},
        **{f"{LABEL_SET}{name}": word for name, word in prediction.sets.items()},
        **{f"{OUTPUT}{name}": float(value) for name, value in prediction.outputs.items()},
        **{f"{IMAGE}{name}": value for name, value in image.items()},
        **{f"{META}{column}": frame[column] for column in ACQUISITION if column in frame},
        **{f"{EMBEDDING}{i:03d}": value for i, value in enumerate(prediction.embedding)},
    }
