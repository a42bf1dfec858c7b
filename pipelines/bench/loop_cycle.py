"""A month's two judgements in ``ctloop bench loop``, each a function of what the books name: it can be rerun."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import Any

import pandas as pd

from components.adapters.parquet import read_parquet
from components.models.known_quality import known_quality
from components.operations.expert_frames import ExpertFrame
from components.operations.monitor_window import WindowReport, monitor_window
from components.operations.register_model import subject_of
from components.operations.run_gate import Candidate
from components.operations.scoring import score_cases
from components.registry.registry import ModelVersion
from pipelines.bench.loop_books import Books, Shipped
from pipelines.bench.loop_year import Labels, Year, label_map
from pipelines.turn import drift_entry


def watch(
    year: Year,
    books: Books,
    shipped: Shipped,
    version: ModelVersion,
    batch: str,
    *,
    history: Sequence[bool],
    excluded: Collection[str],
    labelled: Sequence[int],
) -> WindowReport:
    """The monitor's report of a batch by a registered version.

    Args:
        history: whether earlier windows of this version raised an alarm, oldest first.
        excluded: patients that are not to be asked about.
        labelled: rows that experts have labelled for training.
    """
    package, predictor = books.registry.fetch(version), books.predictor(version)
    rows = {str(name): row for row, name in enumerate(year.frames["frame_id"])}

    def score(frames: pd.DataFrame) -> pd.DataFrame:
        return score_cases(predictor, frames, lambda frame: year.volume(rows[frame]))

    return monitor_window(
        task="segmentation",
        model_version=subject_of(version),
        reference=read_parquet(package / "reference.parquet"),
        scored=(score(year.frames.iloc[year.rows(batch)]), {}),
        # the self-test of the alarm judges nothing
        params=dataclasses.replace(shipped.monitor, replays=0),
        history=history,
        excluded_patients=excluded,
        acquisition=shipped.acquiring(score(year.frames.iloc[sorted(labelled)])),
        errors=known_quality(package).means,
    )


def drift_facts(report: WindowReport, batch: str) -> dict[str, Any]:
    """What the ledger keeps of a window: verdict, scores and choice."""
    table = report.scorecards.drop(columns=["batch"]).round(6)
    return {
        **drift_entry(report, "segmentation", batch),
        "scorecards_sha256": hashlib.sha256(table.to_csv(index=False).encode()).hexdigest(),
        "chosen": [[one.frame_id, one.reason] for one in report.candidates],
    }


def gate_frames(year: Year, answers: Mapping[int, Labels]) -> list[ExpertFrame]:
    """The test set: held-out rows with the experts' answers."""
    return [
        ExpertFrame(
            frame_id=str(year.frames["frame_id"].iloc[row]),
            patient_id=str(year.frames["patient_id"].iloc[row]),
            stratum=str(year.frames["batch"].iloc[row]),
            fingerprint=hashlib.sha256(f"{row}".encode() + labels.tobytes()).hexdigest(),
            volume=partial(year.volume, row),
            expert=partial(label_map, labels),
        )
        for row, labels in sorted(answers.items())
    ]


def candidate(books: Books, version: ModelVersion) -> Candidate:
    return Candidate(
        name=subject_of(version), package_hash=version.package_hash, predictor=books.predictor(version)
    )
