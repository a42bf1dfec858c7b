"""Ejection fraction of each predicted chamber, from the volumes of a cine's frames."""

from __future__ import annotations

import pandas as pd

from components.scorecard.columns import OUTPUT

EJECTION_FRACTION = "ejection_fraction_"
CHAMBERS = ("left_ventricle", "right_ventricle")


def with_ejection_fraction(scorecards: pd.DataFrame) -> pd.DataFrame:
    """The table with ``ejection_fraction_*`` in [0, 1], the same for all frames of a case.

    (largest - smallest volume) / largest over the frames; NaN of a case with one frame, or without the chamber. A table
    without volumes, or of plain CT alone, is returned as it is.
    """
    columns = {f"{EJECTION_FRACTION}{name}": f"{OUTPUT}{name}_ml" for name in CHAMBERS}
    cases = scorecards.groupby("case_id", sort=False)
    several = cases["frame_id"].transform("size") > 1
    if not several.any():
        return scorecards
    found = {}
    for name, column in columns.items():
        if column in scorecards:
            largest, smallest = cases[column].transform("max"), cases[column].transform("min")
            found[name] = ((largest - smallest) / largest.where(largest > 0)).where(several)
    return scorecards.assign(**found)
