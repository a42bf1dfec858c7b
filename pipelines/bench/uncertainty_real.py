"""What the phantoms' network foretells of the real scans: an illustration, no claim.

Their labels are other tools' (the whole heart, at most), so only how sure the network is can be shown. A network that
saw phantoms alone should not be sure of them.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from components.errors import CtloopError
from components.models.segmentation_predictor import SegmentationPredictor
from components.operations.scoring import reason_of, score_cases
from components.scorecard.predicted_quality import PredictedQuality

if TYPE_CHECKING:
    from components.volume.volume import Volume

SCANS = ("heart/heart_ct.nii.gz",)
_SHOWN = (
    "expected_dice",
    "pairwise_dice_disagreement",
    "predictive_entropy",
    "mutual_information",
    "foreground_ml",
)


def real_scans(predictor: SegmentationPredictor, learned: PredictedQuality) -> dict[str, Any]:
    """Scan → signals and foretold Dice, or why it has none; needs the scans at ``CTLOOP_REALDATA``."""
    home = os.environ.get("CTLOOP_REALDATA", "")
    found = [name for name in SCANS if home and (Path(home) / name).is_file()]
    if not found:
        return {"shown": False, "why": f"none of {', '.join(SCANS)} where CTLOOP_REALDATA points"}
    return {name: _scan(predictor, learned, Path(home) / name) for name in found}


def _scan(predictor: SegmentationPredictor, learned: PredictedQuality, path: Path) -> dict[str, Any]:
    from components.adapters.readers import read_source
    from components.cohort.scan import ScannedFrame

    def load(_: str) -> Volume:
        (frame,) = read_source(path.parent, (path.name,), min_slices=8)
        assert isinstance(frame, ScannedFrame)
        return frame.volume

    failures: list[str] = []
    frame = pd.DataFrame([{"frame_id": path.name, "case_id": path.name, "patient_id": path.name}])
    try:
        rows = score_cases(
            predictor, frame, load, on_error=lambda _, error: failures.append(reason_of(error))
        ).to_dict("records")
    except CtloopError as error:
        failures, rows = [reason_of(error)], []
    if not rows:
        return {"why": failures[0]}
    named = [{str(key): value for key, value in row.items()} for row in rows]
    shown = {name: round(float(named[0][name]), 4) for name in _SHOWN}
    # a single frame has no temporal jump: that of a frozen cine stands in, the most favourable one
    estimate = learned.estimate([{**row, "temporal_jump": 0.0} for row in named])
    if estimate is None:
        return {**shown, "why": "a signal is missing: nothing was drawn"}
    return {**shown, "foretold_dice": [round(v, 3) for v in (estimate.low, estimate.value, estimate.high)]}
