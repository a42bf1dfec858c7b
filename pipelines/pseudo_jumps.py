"""Where the teacher's labels jump between the frames of a beat, and whom to ask about it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from components.adapters.blosc_store import load_label_map
from components.cohort.frame_id import case_of, phase_of
from components.scorecard.temporal import JumpBound, jumps_by_phase
from components.volume.volume import LabelMap
from pipelines.pseudo_manifest import Entry, Manifest, label_files

_OF_A_FRAME = ("frame_id", "case_id", "patient_id", "batch")


def measure_jumps(folder: Path, manifest: Manifest, bound: JumpBound) -> dict[str, Entry]:
    """Frame → ``measured`` and ``bound``, for each labelled frame with a labelled neighbour in its case.

    A frame of the case that has no plausible label stands between its neighbours and is compared with none.
    """
    cases: dict[str, dict[str, float]] = {}
    for frame in sorted({*manifest.labelled, *manifest.implausible, *manifest.refused}):
        phase = phase_of(frame)
        if phase is not None:
            cases.setdefault(case_of(frame), {})[frame] = phase

    def load(frame: str) -> LabelMap | None:
        return load_label_map(label_files(folder, frame)[0]) if frame in manifest.labelled else None

    return {
        frame: {"measured": round(jump.measured, 4), "bound": round(jump.bound, 4)}
        for phases in cases.values()
        for frame, jump in jumps_by_phase(phases, load, bound).items()
    }


def frames_to_ask_about(
    manifest: Manifest,
    frames: pd.DataFrame,
    *,
    excluded_patients: Collection[str],
    frames_per_case: int,
    most_cases: int,
) -> list[dict[str, Any]]:
    """Candidates for labeling requests, the worst jump over its bound first.

    Args:
        frames: frames.parquet.
        excluded_patients: audited ones, and those whom an expert has labelled before.
        frames_per_case, most_cases: to ask about at a time.
    """
    allowed = frames[~frames["patient_id"].isin(set(excluded_patients))]
    rows = zip(*(allowed[key].astype(str) for key in _OF_A_FRAME), strict=True)
    row_of = {row[0]: dict(zip(_OF_A_FRAME, row, strict=True)) for row in rows}
    excess = {
        frame: jump["measured"] - jump["bound"]
        for frame, jump in manifest.jumps.items()
        if frame in row_of and jump["measured"] > jump["bound"]
    }
    asked: dict[str, list[dict[str, Any]]] = {}
    for frame in sorted(excess, key=lambda frame: (-excess[frame], frame)):
        case = row_of[frame]["case_id"]
        if case in asked or len(asked) < most_cases:
            asked.setdefault(case, []).append(_candidate(manifest, row_of[frame], manifest.jumps[frame]))
    return [candidate for candidates in asked.values() for candidate in candidates[:frames_per_case]]


def _candidate(manifest: Manifest, row: Mapping[str, str], jump: Entry) -> dict[str, Any]:
    who = f"{manifest.teacher} ({str(manifest.fingerprint)[:12]})"
    return {
        **row,
        "reason": "pseudo_jump",
        "measured": jump["measured"],
        "threshold": jump["bound"],
        "evidence": f"pseudo-labels of {who}: 1 - mean Dice to the neighbouring frames",
    }
