"""Scans that a classifier could not predict: how many and why, who is judged by nothing, and what that may hide."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from components.errors import CtloopError
from components.operations.finding_scores import PROBABILITY, TRUTH, FindingScores

_FOLDERS = re.compile(r"(?<![\w.])(?:[A-Za-z]:)?[/\\](?:[^\s/\\'\"]+[/\\])+")
_NEVER, _ALWAYS = -np.inf, np.inf  # probabilities that no threshold calls, and that every one does
_BOUNDED = {"sensitivity": (_NEVER, _ALWAYS), "specificity": (_ALWAYS, _NEVER)}


def failure_reason(frame_id: str, error: Exception) -> str:
    """Why, without folders and the frame's own name, so that the same reason of many scans reads alike."""
    if not isinstance(error, CtloopError):
        return f"the model failed ({type(error).__name__})"
    return _FOLDERS.sub("", str(error)).replace(frame_id, "the scan's file")


def failed_scans(
    frames: pd.DataFrame,
    judged: pd.DataFrame,
    unjudged: pd.DataFrame,
    reasons: Mapping[str, str],
    findings: Sequence[str],
    thresholds: Mapping[str, float],
) -> dict[str, Any]:
    """JSON-able. ``bounds`` has the findings that an expert stated in a failed scan.

    There ``worst`` is what sensitivity or specificity would be had every failed scan been called wrongly, ``best`` had
    all been called right; ``judged`` is without them. A scan weighs as in all metrics, see ``FindingScores``.

    Args:
        frames: every scan that was to be predicted.
        judged: ``Evaluation.per_patient``.
        unjudged: the same of failed scans with an expert's findings, without probabilities.
        reasons: frame_id of each failed scan → why.
    """
    lost = set(unjudged["patient_id"])
    return {
        "scans": len(reasons),
        "of": len(frames),
        "with_findings": len(unjudged),
        "patients_excluded": sorted(lost - set(judged["patient_id"])),
        "patients_in_part": sorted(lost & set(judged["patient_id"])),
        "reasons": [
            {"reason": reason, "scans": scans} for reason, scans in sorted(Counter(reasons.values()).items())
        ],
        "bounds": {
            name: found for name in findings if (found := _bounds(judged, unjudged, name, thresholds))
        },
    }


def _bounds(
    judged: pd.DataFrame, unjudged: pd.DataFrame, finding: str, thresholds: Mapping[str, float]
) -> dict[str, Any]:
    """Empty where no failed scan is known to have the finding or not to have it."""
    said = {
        word: int(unjudged[unjudged[f"{TRUTH}{finding}"] == value]["patient_id"].nunique())
        for word, value in (("positives", 1.0), ("negatives", 0.0))
    }
    if not any(said.values()):
        return {}
    ranges = {
        metric: {
            "judged": _value(judged, finding, thresholds, metric),
            **{
                word: _value(_with(judged, unjudged, finding, value), finding, thresholds, metric)
                for word, value in zip(("worst", "best"), values, strict=True)
            },
        }
        for metric, values in _BOUNDED.items()
    }
    return {**said, **ranges}


def _with(judged: pd.DataFrame, unjudged: pd.DataFrame, finding: str, probability: float) -> pd.DataFrame:
    columns = ["patient_id", f"{TRUTH}{finding}", f"{PROBABILITY}{finding}"]
    assumed = unjudged.assign(**{f"{PROBABILITY}{finding}": probability})
    return pd.concat([table[columns] for table in (judged, assumed) if len(table)], ignore_index=True)


def _value(table: pd.DataFrame, finding: str, thresholds: Mapping[str, float], metric: str) -> float | None:
    value = FindingScores.of(table, [finding], thresholds).group(metric, finding).value
    return round(value, 6) if np.isfinite(value) else None
