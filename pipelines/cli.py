"""``ctloop``: one verb per stage and job. Imports nothing heavy until a verb runs."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import typer

from pipelines.commands import (
    bench,
    jobs,
    labeling,
    ledger,
    reading,
    registry,
    reporting,
    retraining,
    scheduling,
    scoring,
    stages,
    tables,
    where_to_look,
)

# the order of `ctloop --help`: from the whole loop through its steps to what is beside it
VERBS: tuple[Callable[..., None], ...] = (
    jobs.demo, jobs.loop, jobs.add,
    stages.ingest, stages.prepare, stages.split, stages.pseudo_label, stages.train, stages.evaluate,
    registry.register, registry.import_weights, registry.gate, registry.external_test, registry.export,
    registry.promote, registry.rollback, registry.shadow, registry.replay,
    jobs.monitor, scoring.score, reading.reading_list, where_to_look.where_to_look, reporting.pilot_report,
    reporting.dossier, retraining.retrain, jobs.plan, jobs.compare,
    labeling.serve, scheduling.scheduler, scheduling.clean_up, jobs.doctor, jobs.phantoms, jobs.semi_synthetic,
    bench.bench,
)  # fmt: skip

app = typer.Typer(
    name="ctloop",
    help="Keeps CT models honest: watch, ask experts, retrain, and promote only what is provably better.",
    epilog="Start with `ctloop demo`, or with your own scans: `ctloop loop --source DIR`.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
for verb in VERBS:
    app.command(verb.__name__.replace("_", "-"))(verb)
app.add_typer(tables.cases_table_app, name="cases-table")
app.add_typer(labeling.requests_app, name="requests")
app.add_typer(labeling.labels_app, name="labels")
app.add_typer(ledger.ledger_app, name="ledger")


def main() -> None:
    """Run a verb; a known error becomes one line and exit code 1."""
    from pipelines.offline import switch_off_telemetry

    switch_off_telemetry()
    _run_the_workspaces_own_code()
    from pipelines.stage_command import one_line_errors

    with one_line_errors("ctloop"):
        _refuse_empty(sys.argv[1:])
        app(prog_name="ctloop")


def _refuse_empty(arguments: Sequence[str]) -> None:
    """An empty value comes from a variable that is not set, and would be read as the default or as here."""
    from components.errors import ParameterError

    for before, value in zip(("ctloop", *arguments), arguments, strict=False):
        if not value.strip() or re.fullmatch(r"--[a-z-]+=\s*", value):
            raise ParameterError(
                expected="a value for every option and argument",
                got=f"an empty one after {before!r}" if not value.strip() else repr(value),
                hint="leaving it out, or setting the variable that it comes from",
            )


def _run_the_workspaces_own_code() -> None:
    """A workspace runs its own code, so that dvc.yaml's dependencies on code tell the truth."""
    here = Path(__file__).resolve().parents[1]
    root = named_workspace(sys.argv[1:]).resolve()
    if root != here and (root / "pipelines" / "cli.py").is_file() and not os.environ.get("CTLOOP_CODE"):
        os.environ["CTLOOP_CODE"] = str(root)
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(root), os.environ.get("PYTHONPATH"))))
        # -P: else -m would look into the current folder first, which may be another clone
        os.execv(sys.executable, [sys.executable, "-P", "-m", "pipelines.cli", *sys.argv[1:]])  # noqa: S606


def named_workspace(words: Sequence[str]) -> Path:
    """The workspace that a command line names, in any form that its option has; here unless it names one."""
    named = "."
    for word, following in zip(words, [*words[1:], "."], strict=True):
        if word in ("--workspace", "-w"):
            named = following
        elif word.startswith(("--workspace=", "-w")):
            named = word.removeprefix("--workspace=").removeprefix("-w")
    return Path(named)


if __name__ == "__main__":
    main()
