"""Use case: ask for the labels of the audit sample, the unbiased share that judges every gate."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pandas as pd

from components.cohort.task import Task


def frames_to_audit(
    frames: pd.DataFrame,
    *,
    task: Task,
    audited: Collection[str],
    labelled: Collection[str],
    frames_per_case: int,
) -> pd.DataFrame:
    """The frames of the audit sample that still need an expert.

    A cine is asked for ``frames_per_case`` frames, spread evenly over the cycle from its first phase on; a
    plain CT for its one frame. Frames that already have an expert label count towards that number. Findings
    belong to the whole case, so classification asks for one frame of a case without a label.

    Args:
        frames: frames.parquet.
        audited: patients of the audit sample (the test side of the split).
        labelled: frame ids (classification: case ids) with an expert label.
        frames_per_case: at least 1; of a cine to segment.
    """
    unit, most = ("case_id", 1) if task == "classification" else ("frame_id", frames_per_case)
    chosen = []
    ours = frames[frames["patient_id"].isin(set(audited))]
    for _, case in ours.sort_values(["case_id", "phase_percent"]).groupby("case_id", sort=False):
        wanted = min(most, len(case))
        picked = case.iloc[np.arange(wanted) * len(case) // wanted]
        missing = wanted - int(case[unit].isin(set(labelled)).sum())
        chosen.append(picked[~picked[unit].isin(set(labelled))].head(max(0, missing)))
    return pd.concat(chosen) if chosen else ours
