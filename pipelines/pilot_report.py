"""Job: what a department needs to decide about the chest champion, as a page, a PDF and data, with all its inputs.

Everything in it is read from the workspace: what the champion's held-out patients say, the stores and the monitor's
verdicts. Nothing is predicted again, and no alias, label or request moves.
"""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.adapters.parquet import read_parquet
from components.adapters.whole_file import write_whole
from components.errors import InputError, StateError
from components.operations.acceptance_criteria import Judgement, judge_criteria, overall
from components.operations.evaluation import IntervalParams
from components.operations.finding_calls import any_call, finding_calls, prevalence
from components.operations.reading_hours import hours_saved
from components.operations.reading_list import finding_weights
from components.registry.registry import Registry
from components.registry.verdict import finite
from pipelines.composition import MODEL_NAMES
from pipelines.evaluate_params import EvaluateParams
from pipelines.label_names import finding_names
from pipelines.params import load_section
from pipelines.pilot.answers_given import labels_spent
from pipelines.pilot.criteria_history import set_beforehand
from pipelines.pilot.drift_record import drift_record, verdict_files
from pipelines.pilot.evidence import ModelEvidence, auroc_drop, champion_evidence, external_results
from pipelines.pilot.inputs import inputs
from pipelines.pilot.not_for import not_for, strata_evidence
from pipelines.pilot.params import PilotParams
from pipelines.reading_list import held_out_simulation
from pipelines.reading_list_params import ReadingListParams
from pipelines.unread_studies import TASK
from pipelines.workspace import Workspace

if TYPE_CHECKING:
    from components.adapters.sql_store import SqlStore

FILES = ("pilot.json", "index.html", "pilot.pdf")


def pilot_report(
    workspace: Workspace,
    *,
    registry: Registry,
    store: SqlStore,
    out: Path | None = None,
    today: datetime.date,
) -> dict[str, Any]:
    """Write ``FILES`` to ``out``, the folder ``report_folder`` unless given; what pilot.json holds, and ``report``.

    Raises ``StateError`` without a champion that held-out patients judged, ``ParameterError`` for criteria of findings
    that it does not predict.
    """
    params = load_section(PilotParams, workspace.params, "pilot_report")
    evaluate = load_section(EvaluateParams, workspace.params, "evaluate", TASK)
    evidence = champion_evidence(registry, MODEL_NAMES[TASK])
    content = _content(workspace, evidence, params, evaluate, store)
    content |= {"task": TASK, "written": today.isoformat()}
    plain: dict[str, Any] = finite(content)
    plain["id"] = hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()[:12]
    folder = out if out is not None else report_folder(workspace)
    _write(folder, plain)
    return {**plain, "report": str(folder / "index.html")}


def report_folder(workspace: Workspace) -> Path:
    """Where the report lies unless another folder is named."""
    return workspace.reports / "pilot" / TASK


def _content(
    workspace: Workspace,
    evidence: ModelEvidence,
    params: PilotParams,
    evaluate: EvaluateParams,
    store: SqlStore,
) -> dict[str, Any]:
    intervals = evaluate.intervals
    calls = finding_calls(evidence.scores, intervals)
    external = external_results(workspace, evidence.subject)
    judgements = _judgements(evidence, params, calls, external)
    drift = drift_record(workspace, store.entries("drift"), evidence.subject)
    frames = read_parquet(workspace.prepared(TASK) / "frames.parquet")
    strata = strata_evidence(evidence.table, frames)
    rows = [dataclasses.asdict(one) for one in judgements]
    return {
        "model": _model(evidence, intervals),
        "verdict": {
            "outcome": overall(judgements),
            "judged_by": params.criteria and params.criteria.judged_by,
            "criteria": rows,
            **_beforehand(workspace, evidence, store, set_at_all=bool(judgements)),
        },
        "findings": calls,
        "findings_not_judged": evidence.metrics["findings_not_judged"],
        "min_positives": params.min_positives,
        **_work(workspace, evidence, params, intervals),
        "labels": labels_spent(workspace, store, params.cost, intervals),
        "drift": drift,
        "strata": strata,
        "not_for": not_for(
            calls=calls,
            not_judged=evidence.metrics["findings_not_judged"],
            predicted=evidence.predicted,
            judgements=rows,
            evidence=strata,
            drift=drift,
            min_positives=params.min_positives,
            min_patients=evaluate.min_subgroup_patients,
            stated=params.not_for,
        ),
        "inputs": inputs(
            workspace,
            evidence.version,
            evidence.package,
            [entry for entry in store.entries() if _ours(entry.subject)],
            [
                workspace.prepared(TASK) / "frames.parquet",
                *verdict_files(workspace),
                *external,
            ],
        ),
    }


def _ours(subject: str) -> bool:
    return subject == TASK or subject.startswith(f"{MODEL_NAMES[TASK]}/")


def _model(evidence: ModelEvidence, intervals: IntervalParams) -> dict[str, Any]:
    metrics = evidence.metrics
    return {
        "version": evidence.subject,
        "package_hash": evidence.version.package_hash,
        "registered": evidence.version.created_at,
        "patients": metrics["patients"],
        "studies": metrics["cases"],
        "frames_failed": metrics["frames_failed"],
        "judged_who_trained": evidence.judged_who_trained,
        "auroc": metrics["auroc"].get("macro"),
        "calibration_error": metrics["ece"].get("macro"),
        "thresholds_from": evidence.calibration["source"],
        "level": intervals.level,
        "draws": intervals.draws,
        "predicted": list(evidence.predicted),
    }


def _judgements(
    evidence: ModelEvidence,
    params: PilotParams,
    calls: Mapping[str, Mapping[str, Any]],
    external: Mapping[Path, Mapping[str, Any]],
) -> tuple[Judgement, ...]:
    if params.criteria is None:
        return ()
    drops = {str(result["source"]): auroc_drop(result) for result in external.values()}
    return judge_criteria(
        params.criteria,
        predicted=evidence.predicted,
        calls=calls,
        metrics=evidence.metrics,
        external_drops={name: drop for name, drop in drops.items() if drop},
    )


def _beforehand(
    workspace: Workspace, evidence: ModelEvidence, store: SqlStore, *, set_at_all: bool
) -> dict[str, Any]:
    if not set_at_all:
        return {"set_beforehand": None}
    judged = list(evidence.table[["case_id", "batch"]].astype(str).itertuples(index=False, name=None))
    requests = store.requests(task=TASK)
    return {"set_beforehand": set_beforehand(workspace, evidence.version, evidence.package, judged, requests)}


def _work(
    workspace: Workspace, evidence: ModelEvidence, params: PilotParams, intervals: IntervalParams
) -> dict[str, Any]:
    whole, present = any_call(evidence.scores, intervals), prevalence(evidence.scores, intervals)
    hours = None
    if params.hours is not None:
        assumptions = dataclasses.asdict(params.hours)
        hours = {"assumptions": assumptions, **hours_saved(params.hours, whole, present)}
    return {"any": whole, "prevalence": present, "hours": hours, "queue": _queue(workspace, evidence)}


def _queue(workspace: Workspace, evidence: ModelEvidence) -> dict[str, Any]:
    """The simulation of the reading list, or why there is none."""
    params = load_section(ReadingListParams, workspace.params, "reading_list")
    vocabulary = (*finding_names(workspace), *evidence.predicted)
    try:
        weights = finding_weights(params.weights, evidence.predicted, vocabulary)
        simulation = held_out_simulation(workspace, evidence.package, weights, params)
    except (InputError, StateError) as error:
        return {"missing": str(error), "simulation": None}
    return {"missing": "", "simulation": simulation}


def _write(folder: Path, content: Mapping[str, Any]) -> None:
    from pipelines.pilot.chapters import document_of
    from pipelines.pilot.pdf import pdf
    from pipelines.render import render

    document = document_of(content)
    data = json.dumps(content, indent=1, sort_keys=True) + "\n"
    written: tuple[bytes | str, ...] = (data, render("pilot.html", document=document), pdf(document))
    for name, file in zip(FILES, written, strict=True):
        write_whole(folder / name, file)
