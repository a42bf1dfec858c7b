"""Scorecards: what the model says about each frame, and what each frame looks like."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pandas as pd

from components.errors import CtloopError
from components.models.prediction import FramePrediction, Predictor
from components.scorecard.columns import ACQUISITION, EMBEDDING, IDENTITY, IMAGE, META, OUTPUT
from components.scorecard.image_statistics import image_statistics
from components.scorecard.temporal import CycleJumps
from components.volume.volume import Volume

# What a damaged file or a failing network raises; anything else is a fault of ours and must be seen.
FRAME_ERRORS = (CtloopError, OSError, ValueError, RuntimeError, ArithmeticError)

_log = logging.getLogger(__name__)


def score_cases(
    predictor: Predictor,
    frames: pd.DataFrame,
    load: Callable[[str], Volume],
    *,
    on_prediction: Callable[[str, FramePrediction], None] | None = None,
    progress: Callable[[int, int], None] | None = None,
    on_error: Callable[[str, Exception], None] | None = None,
) -> pd.DataFrame:
    """Predict every frame and describe it: the scorecard table of ``components.scorecard.columns``.

    Frames of a case are taken in phase order, and at most three label maps are held at a time. A frame that
    cannot be read or predicted has no row; it is told to ``on_error`` (default: a warning in the log).

    Args:
        predictor: the loaded model package.
        frames: one row per frame with at least ``frame_id``, ``case_id``, ``patient_id``; rows in any order.
        load: frame_id → volume.
        on_prediction: called with each frame_id and prediction as it is made (to write masks, to judge).
        progress: called with (frames done, frames in all) after each frame.
        on_error: called with the frame_id and the error of each frame that is left out.
    """
    rows: list[dict[str, Any]] = []
    done = 0
    for case in _cases(frames):
        jumps = CycleJumps()
        for frame in case:
            name = str(frame["frame_id"])
            judged = _predict(predictor, load, name, on_error or _warn)
            if judged is not None:
                rows.append(_row(frame, *judged))
                if on_prediction is not None:
                    on_prediction(name, judged[1])
            jumps.add(name, judged[1].labels if judged else None)
            done += 1
            if progress is not None:
                progress(done, len(frames))
        measured = jumps.close()
        for row in rows[-len(case) :]:
            row["temporal_jump"] = measured.get(row["frame_id"], row["temporal_jump"])
    return pd.DataFrame(rows, columns=None if rows else [*IDENTITY, "uncertainty", "temporal_jump"])


def _cases(frames: pd.DataFrame) -> Iterator[list[dict[str, Any]]]:
    for _, case in frames.groupby("case_id", sort=True):
        order = [column for column in ("phase_percent", "frame_id") if column in case]
        yield [
            {str(key): value for key, value in row.items()}
            for row in case.sort_values(order).to_dict("records")
        ]


def _predict(
    predictor: Predictor,
    load: Callable[[str], Volume],
    name: str,
    on_error: Callable[[str, Exception], None],
) -> tuple[Mapping[str, float], FramePrediction] | None:
    try:
        volume = load(name)
        return image_statistics(volume), predictor.predict(volume)
    except FRAME_ERRORS as error:
        on_error(name, error)
        return None


def _warn(name: str, error: Exception) -> None:
    _log.warning("frame %s has no scorecard: %s", name, error)


def _row(frame: Mapping[str, Any], image: Mapping[str, float], prediction: FramePrediction) -> dict[str, Any]:
    return {
        **{column: frame.get(column, "" if column == "batch" else float("nan")) for column in IDENTITY},
        "uncertainty": float(prediction.uncertainty),
        "temporal_jump": float("nan"),
        **{f"{OUTPUT}{name}": float(value) for name, value in prediction.outputs.items()},
        **{f"{IMAGE}{name}": value for name, value in image.items()},
        **{f"{META}{column}": frame[column] for column in ACQUISITION if column in frame},
        **{f"{EMBEDDING}{i:03d}": value for i, value in enumerate(prediction.embedding)},
    }
