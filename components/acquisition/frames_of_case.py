"""Which frames of a cine an expert should draw: few, and far apart in the cycle."""

from __future__ import annotations

import numpy as np
import pandas as pd


def frames_of_case(case: pd.DataFrame, frames_per_case: int) -> tuple[str, ...]:
    """The most uncertain frame first, then each time the frame farthest in phase from those taken.

    Args:
        case: scorecards of one case; ``phase_percent`` in percent of the R-R interval, cyclic.
        frames_per_case: at most this many.
    """
    ranked = case.sort_values(["uncertainty", "frame_id"], ascending=[False, True], na_position="last")
    phases = ranked["phase_percent"].fillna(0.0).to_numpy(dtype=np.float64)
    taken = [0]
    while len(taken) < min(frames_per_case, len(ranked)):
        gap = np.abs(phases[:, None] - phases[taken][None]) % 100.0
        reach = np.minimum(gap, 100.0 - gap).min(axis=1)
        reach[taken] = -1.0
        taken.append(int(reach.argmax()))
    return tuple(str(ranked["frame_id"].iloc[i]) for i in taken)
