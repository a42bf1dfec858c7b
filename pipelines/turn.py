"""One turn of the loop, in the steps that ``loop``, ``demo``, ``retrain`` and the monitor share."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd

from components.adapters.parquet import read_parquet
from components.cohort.split import Split
from components.cohort.task import Task
from components.labeling.request import LabelingRequest, Reason
from components.models.known_quality import known_quality
from components.operations.audit_sample import frames_to_audit
from components.operations.monitor_window import WindowReport
from components.operations.open_requests import open_requests
from components.operations.promote_within_limits import promote_within_limits
from components.operations.register_model import subject_of
from components.operations.scoring import Scored
from components.registry.ledger import Ledger
from components.registry.production import withdrawn
from components.registry.registry import ModelVersion
from components.registry.verdict import Verdict
from components.volume.volume import LabelMap, Volume
from pipelines.acquisition import learned_acquisition
from pipelines.batch_list import read_batches
from pipelines.composition import MODEL_NAMES, Services
from pipelines.dvc_commands import repro
from pipelines.gate import gate
from pipelines.held_out import frames_of, labelled_frames
from pipelines.keep_scores import scores_of
from pipelines.monitor import monitor
from pipelines.params import load_section
from pipelines.prepared_cases import prepared_volume
from pipelines.progress import bar
from pipelines.promote import promote
from pipelines.pseudo_jumps import frames_to_ask_about
from pipelines.pseudo_manifest import read_manifest
from pipelines.pseudo_params import PseudoLabelParams
from pipelines.register import register
from pipelines.registry_lease import moving_aliases
from pipelines.requests import RequestsParams, export_requests
from pipelines.returned_labels import returned_labels
from pipelines.workspace import Workspace

ENOUGH_HELD_OUT = 8  # patients; fewer cannot say what is familiar
Clock = Callable[[], datetime.datetime]


@dataclass(frozen=True, kw_only=True)
class Judged:
    """A version and its gate.

    ``verdict`` is ``None`` for one that is or was champion; ``note`` then says what became of it, or why an accepted
    one waits for a person.
    """

    version: ModelVersion
    verdict: Verdict | None
    promoted: bool
    note: str = ""


@dataclass(frozen=True, kw_only=True, eq=False)
class Watched:
    """What the monitor said of a batch, and the requests that it and the audit sample opened."""

    report: WindowReport
    opened: tuple[LabelingRequest, ...]


def take_in(services: Services, tasks: Sequence[Task]) -> tuple[str, ...]:
    """Ingest, prepare and split what was added; the stages that ran."""
    return repro(services.workspace.root, [f"split@{task}" for task in tasks])


def judge_and_promote(services: Services, task: Task, *, automatic: bool = True) -> Judged:
    """Register what was trained and put it to the gate; what passed is promoted, or waits for a person.

    ``automatic``: promote at once; else only within the limits that the dossier of the version in use sets.
    """
    name = MODEL_NAMES[task]
    registry, ledger = services.registry, services.store
    with moving_aliases(ledger, name) as leased:
        version = register(services.workspace, task, registry, leased, name=name)
    if {"champion", "previous"} & set(version.aliases):
        note = _what_became_of(version, services.version_in_use(task), ledger)
        return Judged(version=version, verdict=None, promoted=False, note=note)
    verdict = gate(
        services.workspace, task, registry, ledger, name=name, load_predictor=services.load_predictor
    )
    if not verdict.accepted:
        return Judged(version=version, verdict=verdict, promoted=False)
    with moving_aliases(ledger, name) as leased:
        if automatic:
            promote(registry, leased, name=name)
            return Judged(version=version, verdict=verdict, promoted=True)
        waits = promote_within_limits(registry, leased, name=name)
    note = f"waits for a person: {'; '.join(waits)}" if waits else "promoted within the limits of the dossier"
    return Judged(version=version, verdict=verdict, promoted=not waits, note=note)


def _what_became_of(version: ModelVersion, in_use: ModelVersion, ledger: Ledger) -> str:
    """Of a version that was trained again, bit by bit, and is champion or the champion before."""
    if version.version == in_use.version:
        return f"version {version.version} is in use, nothing new to judge"
    rolled_back = withdrawn(ledger.entries("promote", "rollback"), version.name)
    left = "rolled back" if version.version in rolled_back else "replaced"
    return f"version {version.version} was {left}, version {in_use.version} is in use"


def unseen_batches(services: Services, task: Task) -> list[str]:
    """Prepared batches that the model in use has not judged yet; the first batch is what a model learns from."""
    workspace = services.workspace
    listed = [batch.name for batch in read_batches(workspace).batches[task][1:]]
    if not listed:
        return []
    version = subject_of(services.version_in_use(task))
    seen = {e.payload["batch"] for e in services.store.entries("drift") if e.subject == version}
    prepared = set(read_parquet(workspace.prepared(task) / "frames.parquet")["batch"])
    return [name for name in listed if name in prepared and name not in seen]


def watch(services: Services, task: Task, batch: str, *, now: Clock) -> Watched:
    """Monitor a prepared batch with the model in use, then open and export labeling requests.

    The audit sample is asked for first: it was drawn before anything was known about the batch.
    """
    workspace, ledger = services.workspace, services.store
    version = services.version_in_use(task)
    predictor, package = services.predictor(version)
    reference = read_parquet(package / "reference.parquet")

    def score(frames: pd.DataFrame) -> Scored:
        return scores_of(
            workspace, task, version, predictor, frames, prepared_volume(workspace, task),
            progress=bar(f"monitor {task} {batch}"),
        )  # fmt: skip

    entries = [entry for entry in ledger.entries("drift") if entry.subject == subject_of(version)]
    report = monitor(
        workspace,
        task,
        batch,
        score=score,
        model_version=subject_of(version),
        reference=reference,
        familiar=_familiar(workspace, task, score, reference),
        acquisition=learned_acquisition(services, task, predictor, subject_of(version)),
        history=[bool(e.payload["alarmed"]) for e in entries if e.payload["batch"] != batch],
        excluded_patients=_not_to_ask(workspace, task),
        errors=known_quality(package).means,
        measured=_measured(services, task, version),
    )
    if batch not in {entry.payload["batch"] for entry in entries}:
        ledger.append("drift", subject_of(version), drift_entry(report, task, batch))
    opened = ask_for_audit(services, task, now=now)
    opened += _open(services, task, (vars(found) for found in report.candidates), subject_of(version), now)

    def champion_draws(request: LabelingRequest, volume: Volume) -> LabelMap | None:
        return predictor.predict(volume).labels

    export_requests(workspace, ledger.requests(status="open", task=task), pre_annotation=champion_draws)
    return Watched(report=report, opened=opened)


def _measured(services: Services, task: Task, version: ModelVersion) -> dict[str, float]:
    """case_id → quality by returned labels, of cases that nobody chose for how they look."""
    table = returned_labels(services, task, version)
    table = table[table["random"].astype(bool) & table["quality"].notna()]
    return dict(zip(table["case_id"].astype(str), table["quality"].astype(float), strict=True))


def _familiar(
    workspace: Workspace, task: Task, score: Callable[[pd.DataFrame], Scored], reference: pd.DataFrame
) -> pd.DataFrame | None:
    """With few held-out patients, what the model was trained on counts as familiar too."""
    if not reference.empty and reference["patient_id"].nunique() >= ENOUGH_HELD_OUT:
        return None
    trained = frames_of(workspace, task, "train")
    first = read_parquet(workspace.prepared(task) / "frames.parquet")["batch"].iloc[0]
    scored, _ = score(trained[trained["batch"] == first])
    return pd.concat([table for table in (reference, scored) if not table.empty] or [reference])


def ask_for_audit(services: Services, task: Task, *, now: Clock) -> tuple[LabelingRequest, ...]:
    """Open requests for the frames of the audit sample that no expert has labelled yet."""
    workspace = services.workspace
    params = load_section(RequestsParams, workspace.params, "requests")
    split = Split.from_json(workspace.split(task).read_text())
    asked = frames_to_audit(
        read_parquet(workspace.prepared(task) / "frames.parquet"),
        task=task,
        audited=split.patients("test"),
        labelled=labelled_frames(workspace, task),
        frames_per_case=params.frames_per_case,
    )
    opened = _open(services, task, asked.to_dict("records"), "none", now)
    export_requests(workspace, opened)
    return opened


def ask_about_jumps(services: Services, task: Task, *, now: Clock) -> tuple[LabelingRequest, ...]:
    """Open requests for frames whose pseudo-label jumps from its neighbours; none of audited patients.

    To be called as soon as a teacher has labelled, before any other reason is found for these frames.
    """
    workspace = services.workspace
    manifest = read_manifest(workspace.pseudo(task))
    if manifest is None or not manifest.jumps:
        return ()
    found = frames_to_ask_about(
        manifest,
        read_parquet(workspace.prepared(task) / "frames.parquet"),
        excluded_patients=_not_to_ask(workspace, task),
        frames_per_case=load_section(RequestsParams, workspace.params, "requests").frames_per_case,
        most_cases=load_section(PseudoLabelParams, workspace.params, "pseudo_label", task).jump_cases,
    )
    teacher = f"{manifest.teacher}/{str(manifest.fingerprint)[:12]}"
    opened = _open(services, task, found, teacher, now)
    export_requests(workspace, opened)
    return opened


def drift_entry(report: WindowReport, task: Task, batch: str) -> dict[str, Any]:
    """What the ledger keeps of a drift verdict."""
    verdict = report.verdict
    return {
        "task": task,
        "batch": batch,
        "kind": verdict.kind,
        "alarmed": verdict.alarmed,
        "n_reference": verdict.n_reference,
        "n_window": verdict.n_window,
        "p_holm": {channel.name: float(channel.p_holm) for channel in verdict.channels},
        "attribution": asdict(verdict.attribution) if verdict.attribution else None,
    }


def _open(
    services: Services, task: Task, found: Iterable[Mapping[Any, Any]], model_version: str, now: Clock
) -> tuple[LabelingRequest, ...]:
    params = load_section(RequestsParams, services.workspace.params, "requests")
    moment = now()
    requests = [_request(item, task, model_version, params, moment) for item in found]
    return open_requests(services.store, requests).opened


def _request(
    found: Mapping[Any, Any], task: Task, model_version: str, params: RequestsParams, now: datetime.datetime
) -> LabelingRequest:
    """A candidate of the monitor has a reason and its evidence; a row of frames.parquet is of the audit."""
    reason: Reason = found.get("reason", "audit")
    return LabelingRequest(
        task=task,
        case_id=str(found["case_id"]),
        frame_id=str(found["frame_id"]),
        patient_id=str(found["patient_id"]),
        batch=str(found["batch"]),
        reason=reason,
        measured=found.get("measured"),
        threshold=found.get("threshold"),
        model_version=model_version,
        evidence=str(found.get("evidence", "audit sample")),
        budget_minutes=round(found.get("minutes", params.budget_minutes[task]), 1),
        opened_at=now.isoformat(timespec="seconds"),
        arm=found.get("arm"),
        choice=found.get("choice"),
        due=(now.date() + datetime.timedelta(days=params.due_days)).isoformat(),
    )


def _not_to_ask(workspace: Workspace, task: Task) -> Sequence[str]:
    """Audited patients have requests of their own; patients with a label were asked before."""
    split = Split.from_json(workspace.split(task).read_text())
    frames = read_parquet(workspace.prepared(task) / "frames.parquet")
    done = labelled_frames(workspace, task)
    labelled = frames[frames["frame_id"].isin(done) | frames["case_id"].isin(done)]["patient_id"]
    return sorted({*split.patients("test"), *labelled})
