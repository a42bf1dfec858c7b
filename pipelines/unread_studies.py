"""Which chest studies nobody has read: without an expert's findings, and without an answer on its way."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd

from components.adapters.parquet import read_parquet
from components.cohort.task import Task
from components.errors import StateError
from components.labeling.request_store import RequestStore
from pipelines.held_out import labelled_frames
from pipelines.workspace import Workspace

TASK: Task = "classification"
NOT_PREPARED = "not prepared yet"


def unread_frames(workspace: Workspace, store: RequestStore, batch: str | None = None) -> pd.DataFrame:
    """Rows of frames.parquet of the unread cases, in the order of arrival.

    With ``arrival``, a number that rises with the date of acquisition (an unknown date came first: it must not sink),
    ``reason``: why a frame that was ingested has no prepared volume, empty where it has one, and ``blinded``: whether
    an audit request for its patient is open. Such studies wait to be read like any other, so they are on the list; but
    whoever answers the request must not know what the model says.

    Raises ``StateError`` without prepared frames, or for a batch that has none.
    """
    frames = _all_frames(workspace)
    if batch is not None:
        known = sorted(set(frames["batch"]))
        frames = frames[frames["batch"] == batch]
        if frames.empty:
            raise StateError(
                expected=f"scans of batch {batch!r} for {TASK}",
                got=", ".join(known) or "no scans",
                hint="`ctloop add` and `ctloop split`, or another batch name",
            )
    answered = {request.case_id for request in store.requests(status="answered", task=TASK)}
    unread = frames[~frames["case_id"].isin(labelled_frames(workspace, TASK) | answered)]
    date = unread["acquired_at"] if "acquired_at" in unread else pd.Series("", index=unread.index)
    arrival = date.fillna("").rank(method="dense")
    audited = {r.patient_id for r in store.requests(status="open", task=TASK) if r.reason == "audit"}
    blinded = unread["patient_id"].isin(audited)
    return unread.assign(arrival=arrival, blinded=blinded).sort_values(
        "arrival", kind="stable", ignore_index=True
    )


def quarantined_sources(workspace: Workspace, batch: str | None = None) -> int:
    """Files that could not be read as scans: they have no case, and stand on no list."""
    items = _items(workspace.ingested(TASK) / "quarantine.json")
    return sum(batch in (None, item["batch"]) for item in items)


def _all_frames(workspace: Workspace) -> pd.DataFrame:
    prepared = workspace.prepared(TASK)
    try:
        ready = read_parquet(prepared / "frames.parquet")
    except OSError as error:
        raise StateError(
            expected=f"prepared scans for {TASK}", got="none", hint="`ctloop add`, then `ctloop split`"
        ) from error
    ingested = workspace.ingested(TASK) / "frames.parquet"
    if not ingested.is_file():
        return ready.assign(reason="")
    every = read_parquet(ingested)
    refused = {
        item["frame_id"]: item["reason"]
        for item in _items(prepared / "quarantine.json")
        if item["what"] == "frame"
    }
    missing = every[~every["frame_id"].isin(ready["frame_id"])]
    reasons = [refused.get(frame, NOT_PREPARED) for frame in missing["frame_id"]]
    return pd.concat([ready.assign(reason=""), missing.assign(reason=reasons)], ignore_index=True)


def _items(path: Path) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = json.loads(path.read_text()) if path.is_file() else []
    return items
