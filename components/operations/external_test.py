"""Judge a registered version on another site or species: whether it saw these patients."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from components.errors import StateError


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


_OTHER_RECONSTRUCTIONS = LeakCheck(
    statement="Another reconstruction of a scan that trained it has other voxels: only the pseudonym tells."
)


def leak_checks(
    frames: pd.DataFrame, label_sha256: Mapping[str, str] | None, pseudonym_key: str, trained: TrainingRecord
) -> tuple[LeakCheck, ...]:
    """Compare patients by pseudonym, scans by their voxels and labels by theirs.

    Args:
        frames: of the external test, rows of frames.parquet.
        label_sha256: frame → hash of its expert label; ``None`` for findings, which many people share.
        pseudonym_key: fingerprint of the key of ``frames``.
    """
    return (
        _by_patient(frames, pseudonym_key, trained),
        _by_voxels(frames, trained),
        _OTHER_RECONSTRUCTIONS if label_sha256 is None else _by_label(label_sha256, trained),
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


def _by_patient(frames: pd.DataFrame, pseudonym_key: str, trained: TrainingRecord) -> LeakCheck:
    if not trained.patients:
        return LeakCheck(statement="Patients cannot be compared: the package names nobody who trained it.")
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
