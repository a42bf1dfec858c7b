"""The scores that a gate judges, one row per test patient."""

from __future__ import annotations

import numpy as np
import pandas as pd

from components.errors import InputError
from components.registry.verdict import PatientScore


def paired_table(champion: pd.DataFrame | None, challenger: pd.DataFrame) -> pd.DataFrame:
    """Sorted by patient, with ``champion`` and ``difference`` where there is one.

    Raises ``InputError`` when the tables do not hold the same patients once each, with finite scores.
    """
    table = _checked(challenger, "challenger").sort_values("patient_id", ignore_index=True)
    if champion is None:
        return table
    other = _checked(champion, "champion").set_index("patient_id")["score"]
    if set(other.index) != set(table["patient_id"]):
        raise InputError(
            expected="the same test patients for both models",
            got=f"{len(other)} and {len(table)} patients that differ",
            hint="scoring both models on one frozen test set",
        )
    table["champion"] = other.reindex(table["patient_id"]).to_numpy(np.float64)
    table["difference"] = table["score"] - table["champion"]
    return table


def patient_scores(table: pd.DataFrame) -> tuple[PatientScore, ...]:
    """The rows of ``paired_table`` as a verdict keeps them."""
    paired = "champion" in table
    return tuple(
        PatientScore(
            patient_id=str(row["patient_id"]),
            stratum=str(row["stratum"]),
            champion=float(row["champion"]) if paired else None,
            challenger=float(row["score"]),
        )
        for row in table.to_dict("records")
    )


def _checked(table: pd.DataFrame, who: str) -> pd.DataFrame:
    once = not table["patient_id"].duplicated().any()
    if not once or not np.isfinite(table["score"].to_numpy(np.float64)).all():
        raise InputError(
            expected=f"one finite score per patient of the {who}",
            got="repeated patients" if not once else "scores that are not finite",
            hint="averaging the frames of a patient, and leaving out patients without an expert label",
        )
    return table.copy()
