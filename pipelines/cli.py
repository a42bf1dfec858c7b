"""``ctloop``: one verb per stage and job. Imports nothing heavy until a verb runs."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from components.cohort.task import Task
    from pipelines.composition import Services
    from pipelines.workspace import Workspace

app = typer.Typer(
    name="ctloop",
    help="Keeps CT models honest: watch, ask experts, retrain, and promote only what is provably better.",
    epilog="Start with `ctloop demo`, or with your own scans: `ctloop loop --source DIR`.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
requests_app = typer.Typer(
    help="Labeling requests: list them, export what an expert needs.", no_args_is_help=True
)
labels_app = typer.Typer(help="Expert answers: import them as a new data version.", no_args_is_help=True)
app.add_typer(requests_app, name="requests")
app.add_typer(labels_app, name="labels")

TaskOption = Annotated[str, typer.Option("--task", "-t", help="segmentation or classification")]
OptionalTask = Annotated[
    str, typer.Option("--task", "-t", help="segmentation or classification; both unless given")
]
WorkspaceOption = Annotated[
    Path | None, typer.Option("--workspace", "-w", help="a clone of this repository; here unless given")
]
JsonOption = Annotated[bool, typer.Option("--json", help="one JSON value on standard output")]


def main() -> None:
    """Run a verb; a known error becomes one line and exit code 1."""
    from pipelines.offline import switch_off_telemetry

    switch_off_telemetry()
    _run_the_workspaces_own_code()
    from components.errors import CtloopError

    try:
        app()
    except CtloopError as error:
        print(f"ctloop: {error}", file=sys.stderr)
        sys.exit(1)


def _run_the_workspaces_own_code() -> None:
    """A workspace runs its own code, so that dvc.yaml's dependencies on code tell the truth."""
    here = Path(__file__).resolve().parents[1]
    named = [
        value for flag, value in zip(sys.argv, sys.argv[1:], strict=False) if flag in ("--workspace", "-w")
    ]
    root = Path(named[-1] if named else ".").resolve()
    if root != here and (root / "pipelines" / "cli.py").is_file() and not os.environ.get("CTLOOP_CODE"):
        os.environ["CTLOOP_CODE"] = str(root)
        arguments = [
            str(Path(a).resolve()) if a == (named[-1] if named else None) else a for a in sys.argv[1:]
        ]
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(root), os.environ.get("PYTHONPATH"))))
        os.execv(sys.executable, [sys.executable, "-m", "pipelines.cli", *arguments])  # noqa: S606


def _workspace(root: Path | None) -> Workspace:
    from pipelines.workspace import Workspace

    return Workspace.at(root)


def _services(root: Path | None) -> Services:
    from pipelines.composition import Services

    return Services(_workspace(root))


def _tasks(task: str) -> tuple[Task, ...]:
    from components.cohort.task import TASKS
    from components.errors import ParameterError

    if not task:
        return TASKS
    for known in TASKS:
        if task == known:
            return (known,)
    raise ParameterError(expected="a task", got=repr(task), hint=" or ".join(TASKS))


def _show(value: Any, as_json: bool, text: str) -> None:
    import dataclasses

    if as_json:
        plain = (
            dataclasses.asdict(value)
            if dataclasses.is_dataclass(value) and not isinstance(value, type)
            else value
        )
        print(json.dumps(plain, indent=1, sort_keys=True, default=str))
    else:
        print(text)


def _reproduce(stage: str, task: str, workspace: Path | None) -> None:
    from pipelines.dvc_commands import repro

    ran = repro(_workspace(workspace).root, [f"{stage}@{name}" for name in _tasks(task)])
    print(f"ran: {', '.join(ran)}" if ran else "nothing to do: everything is up to date")


@app.command()
def demo(
    seed: Annotated[int, typer.Option(help="draws other patients")] = 0,
    fresh: Annotated[bool, typer.Option(help="start again even if this demo is finished")] = False,
) -> None:
    """The whole loop on phantoms, both tasks. Killed half-way, it continues."""
    from pipelines.demo import demo as run
    from pipelines.workspace import Workspace

    run(Workspace.at().root, seed=seed, fresh=fresh)


@app.command()
def loop(
    source: Annotated[Path, typer.Option(help="folder with DICOM, NIfTI, NRRD or MHA, in any nesting")],
    cases: Annotated[
        Path | None, typer.Option(help="what files cannot say; SOURCE/cases.csv unless given")
    ] = None,
    params: Annotated[
        Path | None,
        typer.Option(help="values over params.yaml; CASES/../params.yaml unless given"),
    ] = None,
    task: OptionalTask = "",
    workspace: WorkspaceOption = None,
) -> None:
    """One turn of the loop on your own scans: from files to a gated model, verdicts and labeling requests."""
    from pipelines.loop import loop as run

    run(_services(workspace), source=source, cases=cases, params=params, tasks=_tasks(task))


@app.command()
def add(
    source: Annotated[Path, typer.Option(help="folder with the scans; it is read, never changed")],
    cases: Annotated[
        Path | None, typer.Option(help="what files cannot say; SOURCE/cases.csv unless given")
    ] = None,
    name: Annotated[str | None, typer.Option(help="name of the batch; the folder's unless given")] = None,
    task: OptionalTask = "",
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Record a new batch of scans. Next: `ctloop split`, `ctloop monitor --batch NAME`."""
    from pipelines.add import add as run

    report = run(_workspace(workspace), source=source, cases=cases, name=name, tasks=_tasks(task))
    _show(report, as_json, str(report))


@app.command()
def ingest(task: OptionalTask = "", workspace: WorkspaceOption = None) -> None:
    """Stage: read what was added; quarantine what cannot be trusted."""
    _reproduce("ingest", task, workspace)


@app.command()
def prepare(task: OptionalTask = "", workspace: WorkspaceOption = None) -> None:
    """Stage: canonical orientation and spacing, for frames and expert labels."""
    _reproduce("prepare", task, workspace)


@app.command()
def split(task: OptionalTask = "", workspace: WorkspaceOption = None) -> None:
    """Stage: draw the audit sample by patient; nobody ever changes sides."""
    _reproduce("split", task, workspace)


@app.command("pseudo-label")
def pseudo_label(task: OptionalTask = "", workspace: WorkspaceOption = None) -> None:
    """Stage: let the teacher label the frames."""
    _reproduce("pseudo_label", task, workspace)


@app.command()
def train(task: OptionalTask = "", workspace: WorkspaceOption = None) -> None:
    """Stage: train the student. Killed half-way, it resumes."""
    _reproduce("train", task, workspace)


@app.command()
def evaluate(task: OptionalTask = "", workspace: WorkspaceOption = None) -> None:
    """Stage: judge the model on held-out patients with expert labels."""
    _reproduce("evaluate", task, workspace)


@app.command()
def register(task: TaskOption, workspace: WorkspaceOption = None, as_json: JsonOption = False) -> None:
    """Put the trained model into the registry, as challenger."""
    from pipelines.composition import MODEL_NAMES
    from pipelines.register import register as run

    services, (one,) = _services(workspace), _tasks(task)
    version = run(services.workspace, one, services.registry, services.store, name=MODEL_NAMES[one])
    _show(version, as_json, f"{version.name} version {version.version}, package {version.package_hash[:12]}")


@app.command()
def gate(task: TaskOption, workspace: WorkspaceOption = None, as_json: JsonOption = False) -> None:
    """Judge the challenger against the champion. A refusal is an outcome: the exit code is 0."""
    from pipelines.composition import MODEL_NAMES
    from pipelines.gate import gate as run

    services, (one,) = _services(workspace), _tasks(task)
    verdict = run(
        services.workspace, one, services.registry, services.store, name=MODEL_NAMES[one],
        load_predictor=services.load_predictor,
    )  # fmt: skip
    _show(verdict.as_json(), as_json, f"{verdict.outcome}: {verdict.reason}")


@app.command()
def promote(
    task: TaskOption,
    override: Annotated[
        str | None, typer.Option(help="promote without a pass, for this reason, which is kept")
    ] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make the accepted challenger the champion."""
    from pipelines.composition import MODEL_NAMES
    from pipelines.promote import promote as run

    services, (one,) = _services(workspace), _tasks(task)
    moved = run(services.registry, services.store, name=MODEL_NAMES[one], override=override)
    _show(moved, as_json, f"champion is version {moved.champion.version}: {moved.reason}")


@app.command()
def rollback(
    task: TaskOption,
    reason: Annotated[str, typer.Option(help="why; the ledger keeps it")],
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Return to the champion before."""
    from pipelines.composition import MODEL_NAMES
    from pipelines.rollback import rollback as run

    services, (one,) = _services(workspace), _tasks(task)
    moved = run(services.registry, services.store, name=MODEL_NAMES[one], reason=reason)
    _show(moved, as_json, f"champion is version {moved.champion.version} again")


@app.command()
def monitor(
    task: TaskOption,
    batch: Annotated[str, typer.Option(help="a prepared batch")],
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Scorecards, uncertainty and drift of a batch with the model in use; opens labeling requests."""
    from datetime import UTC, datetime

    from pipelines.monitor import report_folder, verdict_json
    from pipelines.turn import watch

    services, (one,) = _services(workspace), _tasks(task)
    watched = watch(services, one, batch, now=lambda: datetime.now(UTC))
    page = report_folder(services.workspace, one, batch) / "index.html"
    text = f"{watched.report.verdict.kind}; {len(watched.opened)} new labeling requests\nreport: {page}"
    _show(verdict_json(watched.report), as_json, text)


@app.command()
def retrain(
    task: TaskOption,
    automatic: Annotated[bool, typer.Option(help="promote a challenger that passes the gate")] = False,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Retrain on the accepted answers, register, and put the challenger to the gate."""
    from pipelines.retrain import retrain as run
    from pipelines.turn import judge_and_promote

    services, (one,) = _services(workspace), _tasks(task)
    ran = run(services.workspace, one)
    judged = judge_and_promote(services, one, automatic=automatic)
    verdict = judged.verdict
    text = "this model is champion already" if verdict is None else f"{verdict.outcome}: {verdict.reason}"
    facts = {
        "ran": ran,
        "version": judged.version.version,
        "promoted": judged.promoted,
        "verdict": verdict and verdict.as_json(),
    }
    _show(facts, as_json, f"version {judged.version.version}: {text}")


@requests_app.command("list")
def list_requests(
    status: Annotated[str | None, typer.Option(help="open, answered, superseded or cancelled")] = None,
    task: OptionalTask = "",
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Which frames experts are asked about, and why."""
    from typing import cast, get_args

    from components.errors import ParameterError
    from components.labeling.request import Status
    from pipelines import requests

    if status is not None and status not in get_args(Status):
        raise ParameterError(expected="a status", got=repr(status), hint=", ".join(get_args(Status)))
    store, chosen, one = (
        _services(workspace).store,
        cast("Status | None", status),
        _tasks(task)[0] if task else None,
    )
    _show(requests.list_requests(store, chosen, one), as_json, requests.requests_table(store, chosen, one))


@requests_app.command("export")
def export(task: OptionalTask = "", workspace: WorkspaceOption = None) -> None:
    """Pack image and pre-annotation of every open request."""
    from pipelines.requests import export_requests

    services = _services(workspace)
    for one in _tasks(task):
        for folder in export_requests(services.workspace, services.store.requests(status="open", task=one)):
            print(folder)


@labels_app.command("import")
def import_(
    folder: Annotated[
        Path, typer.Argument(help="label maps named by request or frame; CSV tables of findings")
    ],
    annotator: Annotated[str, typer.Option(help="role or pseudonym of the person")] = "expert",
    minutes: Annotated[float | None, typer.Option(help="working time per answer")] = None,
    unasked: Annotated[bool, typer.Option(help="also take answers that no request asked for")] = False,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check the answers in a folder and make a new data version of the accepted ones."""
    from functools import partial

    from pipelines.dvc_commands import add_version
    from pipelines.labels import import_labels

    services = _services(workspace)
    report = import_labels(
        services.workspace, folder, services.store, services.store, annotator,
        add_version=partial(add_version, services.workspace.root), minutes=minutes, unasked=unasked,
    )  # fmt: skip
    _show(report, as_json, str(report))
    if report.refused:
        raise typer.Exit(1)


@app.command()
def serve(
    port: Annotated[int | None, typer.Option(help="that of params.yaml unless given")] = None,
    host: Annotated[str, typer.Option(help="a name of this machine")] = "127.0.0.1",
    workspace: WorkspaceOption = None,
) -> None:
    """The answering page, on loopback, behind a token."""
    from pipelines.serve import serve as run

    run(_workspace(workspace), host=host, port=port)


@app.command()
def doctor(workspace: WorkspaceOption = None, as_json: JsonOption = False) -> None:
    """Check environment, stores and registry, and say what to fix. Exit code 1 if something must be."""
    import dataclasses

    from pipelines.doctor import doctor as run

    checks = run(_workspace(workspace))
    lines = [
        f"{'ok ' if check.ok else 'FIX'}  {check.name}: {check.found}"
        + ("" if check.ok else f"\n     → {check.fix}")
        for check in checks
    ]
    _show([dataclasses.asdict(check) for check in checks], as_json, "\n".join(lines))
    if not all(check.ok for check in checks):
        raise typer.Exit(1)


@app.command()
def phantoms(
    folder: Annotated[Path, typer.Argument(help="gets images/ and cases.csv; the truth goes beside it")],
    task: TaskOption,
    patients: Annotated[int, typer.Option(help="how many")] = 8,
    scanner: Annotated[str, typer.Option(help="reference, reference-b or sharp")] = "reference",
    seed: Annotated[int, typer.Option(help="draws other patients")] = 0,
) -> None:
    """Write synthetic CT as a hospital would hand it over."""
    from pipelines.phantoms import write_cardiac_batch, write_chest_batch

    if _tasks(task) == ("segmentation",):
        write_cardiac_batch(
            folder, seed=seed, patients=patients, species="porcine", scanners=(scanner,),
            phases_percent=tuple(range(0, 100, 10)), shape=(64, 64, 64), spacing_mm=(3.0, 3.0, 3.0),
        )  # fmt: skip
    else:
        write_chest_batch(
            folder, seed=seed, patients=patients, scanners=(scanner,), shape=(96, 128, 128),
            spacing_mm=(3.0, 3.0, 3.0), with_findings=True,
        )  # fmt: skip
    print(f"{folder}: {patients} patients; the truth is in {folder.with_name(folder.name + '-truth')}")


if __name__ == "__main__":
    main()
