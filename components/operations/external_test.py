"""Judge a registered version on another site or species: whether it saw these patients, and how much it loses.

Nothing here trains or chooses: the version is taken as it is.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from components.errors import StateError
from components.metrics.bootstrap import unpaired_difference
from components.metrics.weighting import Array
from components.operations.evaluate_segmentation import MEAN
from components.operations.evaluation import IntervalParams, mean_interval, rounded
from components.operations.segmentation_frames import DICE, HD95, RELATIVE_ERROR, SURFACE_DICE

# metric → column prefix, and the sign that makes a loss positive
_DROPS: Mapping[str, tuple[str, float]] = {
    "dice": (DICE, 1.0),
    "surface_dice": (SURFACE_DICE, 1.0),
    "hd95_mm": (HD95, -1.0),
    "volume_error_relative": (RELATIVE_ERROR, -1.0),
}


@dataclass(frozen=True, kw_only=True)
class LeakCheck:
    """One way in which test data may have trained a version: what was compared, and the frames found."""

    statement: str
    leaked: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainingRecord:
    """What a package and this workspace say of the data that trained it.

    Args:
        patients: pseudonyms, from the package's lineage.
        pseudonym_key: fingerprint of the key that made them; empty where the package is silent.
        label_sha256: frame → hash of its label, from the package's label manifest.
        scans: rows of this workspace's frames.parquet (``frame_id``, ``patient_id``, ``sha256``), as far as they
            are still there.
    """

    patients: Collection[str]
    pseudonym_key: str
    label_sha256: Mapping[str, str]
    scans: pd.DataFrame


def leak_checks(
    frames: pd.DataFrame, label_sha256: Mapping[str, str], pseudonym_key: str, trained: TrainingRecord
) -> tuple[LeakCheck, ...]:
    """Compare patients by pseudonym, scans by their voxels and labels by theirs.

    Args:
        frames: of the external test, rows of frames.parquet.
        label_sha256: frame → hash of its expert label.
        pseudonym_key: fingerprint of the key of ``frames``.
    """
    return (
        _by_patient(frames, pseudonym_key, trained),
        _by_voxels(frames, trained),
        _by_label(label_sha256, trained),
        LeakCheck(statement="What the teacher or starting weights were trained on is not known here."),
    )


def refuse_leaks(version: str, frames: pd.DataFrame, checks: Sequence[LeakCheck]) -> None:
    """``StateError`` when any check found a frame that trained ``version``."""
    leaked = {frame for check in checks for frame in check.leaked}
    if leaked:
        patients = frames[frames["frame_id"].isin(leaked)]["patient_id"].nunique()
        found = [check.statement for check in checks if check.leaked]
        raise StateError(
            expected=f"patients who did not train {version}",
            got=f"{patients} of {frames['patient_id'].nunique()} who did ({' '.join(found)})",
            hint="another batch, or a version from before they came",
        )


def drops(
    held_out: pd.DataFrame, external: pd.DataFrame, structures: Sequence[str], params: IntervalParams
) -> list[dict[str, Any]]:
    """A row per metric and structure that both tables have: both means and the drop, each with its interval.

    ``mean`` is over the structures that both have, so that a data set with fewer of them compares fairly.

    Args:
        held_out, external: ``Evaluation.per_patient`` of different patients.
    """
    rows = []
    for metric, (prefix, sign) in _DROPS.items():
        common = [
            name for name in structures if _has(held_out, prefix, name) and _has(external, prefix, name)
        ]
        for name in (MEAN, *common) if common else ():
            columns = [f"{prefix}{one}" for one in (common if name == MEAN else [name])]
            rows.append(
                {
                    "metric": metric,
                    "structure": name,
                    **_drop(_values(held_out, columns), _values(external, columns), sign, params),
                }
            )
    return rows


def _drop(
    held_out: pd.DataFrame, external: pd.DataFrame, sign: float, params: IntervalParams
) -> dict[str, Any]:
    ours, theirs = _array(held_out), _array(external)
    difference = unpaired_difference(
        sign * ours, sign * theirs, seed=params.seed, draws=params.draws, level=params.level
    )
    return {
        "held_out": mean_interval(held_out, "value", params),
        "external": mean_interval(external, "value", params),
        "drop": rounded(difference),
    }


def _has(table: pd.DataFrame, prefix: str, structure: str) -> bool:
    return f"{prefix}{structure}" in table and bool(table[f"{prefix}{structure}"].notna().any())


def _values(table: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """``patient_id`` and ``value``, one row per patient for whom it is defined."""
    values = table[["patient_id"]].assign(value=table[list(columns)].mean(axis=1)).dropna()
    return values.groupby("patient_id", as_index=False, sort=True).mean()


def _array(values: pd.DataFrame) -> Array:
    return values["value"].to_numpy(np.float64)


def _by_patient(frames: pd.DataFrame, pseudonym_key: str, trained: TrainingRecord) -> LeakCheck:
    if trained.pseudonym_key and trained.pseudonym_key != pseudonym_key:
        return LeakCheck(
            statement="Patients cannot be compared: the package's pseudonyms were made with another key."
        )
    found = frames[frames["patient_id"].isin(list(trained.patients))]
    silent = "" if trained.pseudonym_key else " (the package does not name the key of its pseudonyms)"
    return LeakCheck(
        statement=f"By pseudonym: {found['patient_id'].nunique()} of {frames['patient_id'].nunique()} patients are "
        f"among the {len(trained.patients)} that trained it{silent}.",
        leaked=tuple(found["frame_id"]),
    )


def _by_voxels(frames: pd.DataFrame, trained: TrainingRecord) -> LeakCheck:
    """The same scan under another name."""
    scans = trained.scans[trained.scans["patient_id"].isin(list(trained.patients))]
    if "sha256" not in frames or "sha256" not in scans or scans.empty:
        return LeakCheck(statement="By voxels: no scan that trained it is in this workspace to compare with.")
    found = frames[frames["sha256"].isin(scans["sha256"])]
    return LeakCheck(
        statement=f"By voxels: {len(found)} of {len(frames)} frames equal one of the {len(scans)} frames of "
        f"{scans['patient_id'].nunique()} training patients that are still in this workspace.",
        leaked=tuple(found["frame_id"]),
    )


def _by_label(label_sha256: Mapping[str, str], trained: TrainingRecord) -> LeakCheck:
    """The same label under another name; the labels of patients that only judged the package are no leak."""
    judged = trained.scans[~trained.scans["patient_id"].isin(list(trained.patients))]
    held_out = set(judged["frame_id"]) | set(label_sha256)
    taught = {sha256 for frame, sha256 in trained.label_sha256.items() if frame not in held_out}
    found = tuple(frame for frame, sha256 in sorted(label_sha256.items()) if sha256 in taught)
    return LeakCheck(
        statement=f"By label: {len(found)} of {len(label_sha256)} expert labels equal one of the {len(taught)} "
        "that the package's manifest names for other frames.",
        leaked=found,
    )
