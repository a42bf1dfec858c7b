"""frames.parquet: one row per frame, and what must hold for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from components.cohort.frame_id import frame_id
from components.cohort.scan import OLDEST
from components.errors import InputError

if TYPE_CHECKING:
    import pandera.pandas as pa

TEXT_COLUMNS = ("site", "manufacturer", "model", "kernel")
FRAME_COLUMNS: dict[str, str] = {
    "frame_id": "str",
    "case_id": "str",
    "patient_id": "str",
    "batch": "str",
    "phase_percent": "float64",
    "site": "str",
    "manufacturer": "str",
    "model": "str",
    "kernel": "str",
    "kvp": "float64",
    "slice_thickness_mm": "float64",
    "spacing_z_mm": "float64",
    "spacing_y_mm": "float64",
    "spacing_x_mm": "float64",
    "shape_z": "int64",
    "shape_y": "int64",
    "shape_x": "int64",
    "orientation": "str",
    "acquired_at": "str",
    "sex": "str",
    "age_years": "float64",
    "sha256": "str",
    "source": "str",
}
"""Column → dtype. Unknown text is ``""``, an unknown number NaN. ``phase_percent`` is the percentage of
the R-R interval, NaN for a plain CT; ``orientation`` names rising x, y, z (``LPS``); ``acquired_at`` is an
ISO date; ``age_years`` 90 means 90 or more; ``sha256`` is of the voxels and their grid; ``source`` is a keyed hash of
the path."""

_RULES = {
    "frame_id": r"^[A-Za-z0-9][A-Za-z0-9._-]*$",
    "case_id": r"^[A-Za-z0-9][A-Za-z0-9._-]*$",
    "patient_id": r"^\S+$",
    "batch": r"^\S.*$",
    "orientation": r"^(?=.*[RL])(?=.*[AP])(?=.*[IS])[RLAPIS]{3}$",
    "acquired_at": r"^(\d{4}-\d{2}-\d{2})?$",
    "sex": r"^[FMO]?$",
    "sha256": r"^[0-9a-f]{64}$",
}


def empty_frames() -> pd.DataFrame:
    """The table with no rows."""
    return pd.DataFrame({name: pd.Series(dtype=_pandas(kind)) for name, kind in FRAME_COLUMNS.items()})


def validate_frames(frames: pd.DataFrame, *, extra: bool = False) -> pd.DataFrame:
    """The table with its columns in order and of their types; ``InputError`` names what does not hold.

    Args:
        frames: one row per frame.
        extra: whether further columns may follow (``prepare`` adds the prepared grid).
    """
    import pandera.errors  # half a second: only where a table is judged

    try:
        valid: pd.DataFrame = _schema(extra).validate(frames.reset_index(drop=True), lazy=True)
    except pandera.errors.SchemaErrors as error:
        first = error.failure_cases.iloc[0]
        raise InputError(
            expected=f"frames.parquet to hold {first['check']} at {first['column'] or 'every row'}",
            got=f"{first['failure_case']!r} in row {first['index']} ({len(error.failure_cases)} failures)",
            hint="running `ingest` again",
        ) from error
    return valid[[*FRAME_COLUMNS, *(c for c in valid.columns if c not in FRAME_COLUMNS)]]


def _pandas(kind: str) -> str:
    return "object" if kind == "str" else kind


def _schema(extra: bool) -> pa.DataFrameSchema:
    import pandera.pandas as pa

    def column(name: str, kind: str) -> pa.Column:
        checks = []
        if name in _RULES:
            checks = [pa.Check.str_matches(_RULES[name])]
        elif name == "phase_percent":
            checks = [pa.Check.in_range(0.0, 100.0)]
        elif name == "age_years":
            checks = [pa.Check.in_range(0.0, OLDEST)]
        elif name.startswith(("spacing_", "shape_")):
            checks = [pa.Check.gt(0)]
        return pa.Column(
            kind, checks, coerce=True, unique=name == "frame_id", nullable=kind == "float64", required=True
        )

    return pa.DataFrameSchema(
        {name: column(name, kind) for name, kind in FRAME_COLUMNS.items()},
        checks=[
            pa.Check(_named_by_case_and_phase, name="frame_id = CASE or CASE__phase-NNN"),
            pa.Check(_one_patient_per_case, name="one patient per case"),
        ],
        strict=not extra,
    )


def _named_by_case_and_phase(frames: pd.DataFrame) -> Any:
    phases = (None if pd.isna(phase) else float(phase) for phase in frames["phase_percent"])
    names = [frame_id(case, phase) for case, phase in zip(frames["case_id"], phases, strict=True)]
    return frames["frame_id"] == pd.Series(names, index=frames.index, dtype=object)


def _one_patient_per_case(frames: pd.DataFrame) -> Any:
    return frames["patient_id"].fillna("").groupby(frames["case_id"]).transform("nunique") == 1
