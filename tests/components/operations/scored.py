"""Scorecards as the monitor is handed them, made on the spot."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from components.models.prediction import Predictor
from components.operations.scoring import Scored, score_cases
from components.volume.volume import Volume


def scored(predictor: Predictor, frames: pd.DataFrame, load: Callable[[str], Volume]) -> Scored:
    failures: dict[str, str] = {}
    cards = score_cases(
        predictor, frames, load, on_error=lambda name, error: failures.update({name: str(error)})
    )
    return cards, failures
