"""The jobs: the whole loop or one turn of it, scans in, a watch over them, and a check of the machine."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from pipelines.commands.options import (
    CasesOption,
    JsonOption,
    OptionalTask,
    TaskOption,
    WorkspaceOption,
    services_at,
    show,
    tasks_of,
    workspace_at,
)
from pipelines.lease import writes


def demo(
    seed: Annotated[int, typer.Option(min=0, help="draws other patients")] = 0,
    fresh: Annotated[bool, typer.Option(help="start again even if this demo is finished")] = False,
) -> None:
    """The whole loop on phantoms, both tasks. Killed half-way, it continues."""
    from pipelines.demo import demo as run

    run(workspace_at(None).root, seed=seed, fresh=fresh)


@writes("ctloop loop")
def loop(
    source: Annotated[Path, typer.Option(help="folder with DICOM, NIfTI, NRRD or MHA, in any nesting")],
    cases: CasesOption = None,
    params: Annotated[
        Path | None,
        typer.Option(help="values over params.yaml; CASES/../params.yaml unless given"),
    ] = None,
    task: OptionalTask = "",
    workspace: WorkspaceOption = None,
) -> None:
    """One turn of the loop on your own scans: from files to a gated model, verdicts and labeling requests."""
    from pipelines.loop import loop as run

    run(services_at(workspace), source=source, cases=cases, params=params, tasks=tasks_of(task))


@writes("ctloop add")
def add(
    source: Annotated[Path, typer.Option(help="folder with the scans; it is read, never changed")],
    cases: CasesOption = None,
    name: Annotated[str | None, typer.Option(help="name of the batch; made of its hash unless given")] = None,
    task: OptionalTask = "",
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Record a new batch of scans. Next: `ctloop split`, `ctloop monitor --batch NAME`."""
    from pipelines.add import add as run

    report = run(workspace_at(workspace), source=source, cases=cases, name=name, tasks=tasks_of(task))
    show(report, as_json, str(report))


@writes("ctloop monitor")
def monitor(
    task: TaskOption,
    batch: Annotated[
        str | None,
        typer.Option(
            help="its name, of a folder that was added (ctloop add, ctloop split); all that the model in use has not "
            "seen yet unless given, as one JSON list"
        ),
    ] = None,
    days: Annotated[
        int | None, typer.Option(help="judge the last so many days instead, from stored scorecards alone")
    ] = None,
    last: Annotated[
        int | None, typer.Option(help="judge the patients seen last instead, from stored scorecards alone")
    ] = None,
    until: Annotated[
        str | None, typer.Option(help="with --days or --last: the last day, today unless given")
    ] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Scorecards, uncertainty and drift of a batch with the model in use; opens labeling requests.

    `--days 30` or `--last 100` judges a window of scans that were scored before (`ctloop score`), and asks nobody.
    A version with the alias `shadow` scores beside it (`ctloop shadow --report`). Returned labels then say whether the
    champion still keeps what it promises of its answers; the ledger keeps that verdict.
    """
    from pipelines.coverage import check_coverage
    from pipelines.monitor import report_folder, verdict_json
    from pipelines.shadow_watch import watch_shadow
    from pipelines.turn import unseen_batches, watch

    services, (one,) = services_at(workspace), tasks_of(task)
    if days is not None or last is not None:
        from components.drift.window import Window
        from pipelines.judge_window import judge_window

        until = until or datetime.now(UTC).date().isoformat()
        judged = judge_window(services, one, Window(until=until, days=days, patients=last))
        show(judged.as_json(), as_json, judged.words())
        return
    chosen = [batch] if batch is not None else unseen_batches(services, one)
    verdicts, lines = [], []
    for name in chosen:
        watched = watch(services, one, name, now=lambda: datetime.now(UTC))
        watch_shadow(services, one, name)
        page = report_folder(services.workspace, one, name) / "index.html"
        verdicts.append(verdict_json(watched.report))
        lines.append(
            f"{name if batch is None else ''}{': ' if batch is None else ''}{watched.report.verdict.kind}; "
            f"{len(watched.opened)} new labeling requests\nreport: {page}"
        )
    coverage = check_coverage(services, one)
    told = [coverage.words()] if coverage is not None and coverage.promises else []
    text = "\n".join([*(lines or ["no batch that the model in use has not seen"]), *told])
    show(verdicts[0] if batch is not None else verdicts, as_json, text)


def doctor(workspace: WorkspaceOption = None, as_json: JsonOption = False) -> None:
    """Check environment, stores and registry, and say what to fix. Exit code 1 if something must be."""
    from pipelines.doctor import doctor as run
    from pipelines.workspace import Workspace

    checks = run(Workspace.at(workspace))
    lines = [
        f"{'ok ' if check.ok else 'FIX'}  {check.name}: {check.found}"
        + ("" if check.ok else f"\n     → {check.fix}")
        for check in checks
    ]
    show([dataclasses.asdict(check) for check in checks], as_json, "\n".join(lines))
    if not all(check.ok for check in checks):
        raise typer.Exit(1)


def plan(
    memory_gb: Annotated[float, typer.Option(help="of the training process, or of each device")] = 8.0,
    hours: Annotated[float, typer.Option(help="for the whole training, on this machine")] = 2.0,
    task: TaskOption = "segmentation",
    out: Annotated[Path | None, typer.Option(help="the file; .ctloop/plan.yaml unless given")] = None,
    apply: Annotated[bool, typer.Option("--apply", help="write the values into params.yaml too")] = False,
    from_file: Annotated[
        Path | None, typer.Option("--from", help="apply this plan, perhaps changed by hand, and plan nothing")
    ] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Plan the training for your data, memory and time. Examples: `ctloop plan --memory-gb 8 --hours 2`."""
    from pipelines.lease import lease
    from pipelines.params_override import override_params
    from pipelines.plan import facts
    from pipelines.plan import plan as run

    here, (one,) = workspace_at(workspace), tasks_of(task)
    if from_file is not None:
        with lease(here.lease, "ctloop plan"):
            changed = override_params(here.params, from_file)
        show(
            {"changed": changed},
            as_json,
            f"params.yaml {'has' if changed else 'already had'} {from_file.name}",
        )
        return
    report = run(here, one, memory_gb=memory_gb, hours=hours, out=out)
    if apply:
        with lease(here.lease, "ctloop plan"):
            override_params(here.params, report.file)
    show(facts(report), as_json, report.file.read_text() + f"# {report.file}")


@writes("ctloop compare")
def compare(
    variants: Annotated[
        str, typer.Option(help="beside ct-scroll itself; window-N, self-supervised-N and equal-cost-N too")
    ] = "average-pooling,inflated-cnn,global-only,local-only,no-masks,window-3",
    seeds: Annotated[str, typer.Option(help="one, or several with commas")] = "1,2,3",
    epochs: Annotated[
        int | None, typer.Option(min=1, help="of every variant; as in params.yaml unless given")
    ] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Train the chest classifier, plain rivals and ablations alike; judge them on patients who trained none.

    self-supervised-N trains the backbone for N epochs on all training scans, with findings or without, before it sees
    a finding; equal-cost-N instead trains on the findings for as much longer. All start from random weights, which
    needs more --epochs than a training that starts from the shipped ones.

    Example: `ctloop compare --variants average-pooling,self-supervised-20,equal-cost-20 --seeds 1,2,3`
    """
    from pipelines.bench.registry import seeds_of
    from pipelines.compare import compare as run
    from pipelines.compare import lines_of

    wanted = [name for name in variants.split(",") if name]
    result = run(workspace_at(workspace), wanted, seeds_of(seeds), epochs=epochs)
    show(result, as_json, "\n".join([*lines_of(result["table"]), f"picture: {result['report']}"]))


def phantoms(
    folder: Annotated[
        Path, typer.Argument(help="gets images/ and cases.csv; the truth goes beside it", resolve_path=True)
    ],
    task: TaskOption,
    patients: Annotated[int, typer.Option(help="how many", min=1)] = 8,
    scanner: Annotated[str, typer.Option(help="reference, reference-b or sharp")] = "reference",
    seed: Annotated[int, typer.Option(min=0, help="draws other patients")] = 0,
) -> None:
    """Write synthetic CT as a hospital would hand it over."""
    from pipelines.phantoms import write_cardiac_batch, write_chest_batch

    if tasks_of(task) == ("segmentation",):
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


def semi_synthetic(
    folder: Annotated[Path, typer.Argument(help="gets images/, labels/ and cases.csv")],
    scan: Annotated[Path, typer.Argument(help="a 3D scan of the heart, at end-diastole")],
    labels: Annotated[Path, typer.Argument(help="its label map, on the same grid")],
    label_values: Annotated[str, typer.Option(help="meaning of its values: '1=left_ventricle;2=aorta'")],
    phases: Annotated[int, typer.Option(min=2, max=50, help="frames, evenly over the R-R interval")] = 10,
    amplitude: Annotated[float, typer.Option(min=0.0, max=0.6, help="of the beat, see RadialBeat")] = 0.3,
) -> None:
    """Make a cine with known motion and labels of one labelled scan: real texture, called semi-synthetic."""
    from pipelines.semi_synthetic import write_semi_synthetic_batch

    write_semi_synthetic_batch(
        folder, scan=scan, labels=labels, label_values=label_values, amplitude=amplitude,
        phases_percent=tuple(100.0 * phase / phases for phase in range(phases)),
    )  # fmt: skip
    print(f"{folder}: {phases} frames. Next: ctloop add --source {folder}")
