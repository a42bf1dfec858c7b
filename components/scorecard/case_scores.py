"""What one model version said of one case, and how to tell whether that still holds."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from components.scorecard.columns import ACQUISITION, FORMAT, IDENTITY

_VOXELS = ("sha256", "prepared_")  # what frames.parquet says of a prepared frame's voxels


@dataclass(frozen=True, kw_only=True, eq=False)
class CaseScores:
    """Scorecard rows of one case.

    Args:
        content: see ``case_content``; scores of another content are of a case that has changed since.
        rows: one per frame that has a scorecard.
        failures: frame_id → why a frame has none.
    """

    case_id: str
    content: str
    rows: Sequence[Mapping[str, Any]]
    failures: Mapping[str, str] = field(default_factory=dict)


def scored_columns(known: Sequence[str]) -> list[str]:
    """Of the columns of frames.parquet, those that a scorecard depends on."""
    return [name for name in known if name in {*IDENTITY, *ACQUISITION} or name.startswith(_VOXELS)]


def case_content(frames: Sequence[Mapping[str, Any]]) -> str:
    """A hash of all that the scorecards of a case depend on, the model aside.

    Args:
        frames: the case's rows of frames.parquet in phase order, with the ``scored_columns``; NaN as ``None``.
    """
    text = json.dumps([FORMAT, *frames], sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:32]
