"""Job: the unread chest studies in the order in which to read them, and what that order would change."""

from __future__ import annotations

import dataclasses
import datetime
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from components.adapters.parquet import read_parquet
from components.errors import StateError
from components.labeling.request_store import RequestStore
from components.models.description import ModelDescription
from components.models.prediction import Predictor
from components.operations.finding_scores import PROBABILITY, TRUTH
from components.operations.reading_list import OTHERS, ReadingListRow, finding_weights
from components.operations.reading_list import reading_list as in_order
from components.operations.register_model import subject_of
from components.operations.simulate_reading import simulate_reading
from components.registry.registry import ModelVersion, Registry
from pipelines.evaluate_params import EvaluateParams
from pipelines.label_names import finding_names
from pipelines.params import load_section
from pipelines.progress import say, write_json
from pipelines.reading_list_params import ReadingListParams
from pipelines.stored_predictions import probabilities_of
from pipelines.unread_studies import TASK, quarantined_sources, unread_frames
from pipelines.whole_folder import whole_folder
from pipelines.workspace import Workspace


def reading_list(
    workspace: Workspace,
    version: ModelVersion,
    *,
    registry: Registry,
    store: RequestStore,
    load_predictor: Callable[[Path], Predictor],
    batch: str | None = None,
    limit: int | None = None,
    simulate: bool = False,
    today: datetime.date,
) -> dict[str, Any]:
    """The result, JSON-able, which lies in ``report_folder`` too, with a page. It moves no label, request or alias.

    Args:
        version: whose probabilities order the list.
        batch: only its studies; all unread ones unless given.
        limit: at most so many rows; all are ordered.
        simulate: also compare with first in, first out, on the held-out studies of the version's package.
        today: what waits are counted to, in whole days, for scans carry dates only.

    Raises ``ParameterError`` for weights that cannot be, ``StateError`` without prepared scans or held-out truth.
    """
    params = load_section(ReadingListParams, workspace.params, "reading_list")
    package = registry.fetch(version)
    findings = ModelDescription.from_json((package / "model.json").read_text())[0].label_names
    weights = finding_weights(params.weights, findings, (*finding_names(workspace), *findings))
    simulation = held_out_simulation(workspace, package, weights, params) if simulate else None
    frames = unread_frames(workspace, store, batch)
    said, failures = probabilities_of(
        workspace,
        frames[(frames["reason"] == "") & ~frames["blinded"]],
        version,
        findings,
        lambda: load_predictor(package),
    )
    studies = with_overdue(studies_of(frames, said, failures), params.queue.longest_wait_minutes, today)
    rows = in_order(studies, weights)
    result = {
        "task": TASK,
        "model_version": subject_of(version),
        "package_hash": version.package_hash,
        "batch": batch,
        "unread": len(rows),
        "not_predicted": sum(row.urgency is None and not row.blinded for row in rows),
        "blinded": (blinded := sum(row.blinded for row in rows)),
        "urgency": "sum over findings of weight × calibrated probability",
        "weights": weights,
        "notes": [*_notes(workspace, package, params, weights, batch), *_blinded_note(blinded)],
        "list": _facts(rows[:limit], studies, _open_requests(store)),
        "simulation": simulation,
    }
    folder = report_folder(workspace, batch)
    _write(folder, result)
    return {**result, "report": str(folder / "index.html")}


def report_folder(workspace: Workspace, batch: str | None) -> Path:
    """index.html and result.json; one folder for all studies, and one per batch that was asked for."""
    return workspace.reports / "reading-list" / (TASK if batch is None else f"{TASK}-{batch}")


def studies_of(frames: pd.DataFrame, said: pd.DataFrame, failures: Mapping[str, str]) -> pd.DataFrame:
    """One row per case for ``components.operations.reading_list``; of several frames the highest probability.

    Args:
        frames: of ``unread_frames``.
        said: frame_id → a column per finding.
        failures: frame_id → why there is no prediction.
    """
    reasons = frames["reason"].where(
        frames["reason"] != "", frames["frame_id"].map(dict(failures)).fillna("")
    )
    columns = said.rename(columns=lambda name: f"{PROBABILITY}{name}")
    table = frames.assign(reason=reasons).merge(columns, left_on="frame_id", right_index=True, how="left")
    cases = table.groupby("case_id", sort=False)
    first = cases[[name for name in ("batch", "arrival", "acquired_at") if name in table]].first()
    kept = {"reason": "max", "blinded": "any"}
    return first.join(cases[list(columns.columns)].max()).join(cases.agg(kept)).reset_index()


def with_overdue(studies: pd.DataFrame, longest_minutes: float | None, today: datetime.date) -> pd.DataFrame:
    """With ``overdue``: since when a study waits for longer than that; empty for others and for unknown dates."""
    if longest_minutes is None or "acquired_at" not in studies:
        return studies
    since = pd.to_datetime(studies["acquired_at"], errors="coerce")
    late = pd.Timestamp(today) - since > pd.Timedelta(minutes=longest_minutes)
    return studies.assign(overdue=("waits since " + studies["acquired_at"]).where(late, ""))


def held_out_simulation(
    workspace: Workspace, package: Path, weights: Mapping[str, float], params: ReadingListParams
) -> dict[str, Any]:
    """``simulate_reading`` of the studies that judged a package; ``StateError`` where none of them weighs."""
    path = package / "per_patient.parquet"
    table = read_parquet(path) if path.is_file() else pd.DataFrame()
    judged = {name: weight for name, weight in weights.items() if f"{TRUTH}{name}" in table}
    if table.empty or not any(judged.values()):
        raise StateError(
            expected="held-out studies with an expert's findings in the model's package",
            got="none that weigh" if len(table) else "none",
            hint="`ctloop evaluate` and `ctloop register`, or the list without --simulate",
        )
    say(f"simulating the reading of {len(table)} held-out studies")
    intervals = load_section(EvaluateParams, workspace.params, "evaluate", TASK).intervals
    return simulate_reading(table, judged, params.simulation, intervals)


def _facts(
    rows: tuple[ReadingListRow, ...], studies: pd.DataFrame, requests: Mapping[str, str]
) -> list[dict[str, Any]]:
    known = studies.set_index("case_id")
    return [
        {
            **dataclasses.asdict(row),
            "batch": str(known.at[row.case_id, "batch"]),
            "acquired_at": str(known.at[row.case_id, "acquired_at"]) if "acquired_at" in known else "",
            "request": requests.get(row.case_id),
        }
        for row in rows
    ]


def _open_requests(store: RequestStore) -> dict[str, str]:
    """Case → the open labeling request that its reading would answer."""
    return {request.case_id: request.id for request in store.requests(status="open", task=TASK)}


def _notes(
    workspace: Workspace,
    package: Path,
    params: ReadingListParams,
    weights: Mapping[str, float],
    batch: str | None,
) -> list[str]:
    """What a reader of the list must know that no row says."""
    calibration = json.loads((package / "calibration.json").read_text())
    notes = [f"Calibration of the probabilities: {calibration.get('source') or 'none'}."]
    unsaid = sorted(set(params.weights) - set(weights) - {OTHERS})
    if unsaid:
        notes.append(
            f"The model does not predict {', '.join(unsaid)}: nothing here tells how urgent these are."
        )
    if sources := quarantined_sources(workspace, batch):
        notes.append(
            f"{sources} file{'s were' if sources != 1 else ' was'} quarantined at ingest and on no list: the page of "
            "`ctloop loop` says why."
        )
    return notes


def _blinded_note(blinded: int) -> list[str]:
    """Why rows are silent."""
    if not blinded:
        return []
    some = "1 study belongs to a patient" if blinded == 1 else f"{blinded} studies belong to patients"
    return [
        f"{some} of the audit sample whose labels are still asked for: each stands where it would first in, first out, "
        "without what the model says, since labels that follow the model could not judge it."
    ]


def _write(folder: Path, result: Mapping[str, Any]) -> None:
    from pipelines.figures.canvas import on_both_papers
    from pipelines.figures.positives_read import draw_positives_read
    from pipelines.render import render

    simulation = result["simulation"]
    picture = on_both_papers(draw_positives_read(simulation)) if simulation else None
    with whole_folder(folder) as unfinished:
        write_json(unfinished / "result.json", result)
        (unfinished / "index.html").write_text(render("reading_list.html", picture=picture, **result))
