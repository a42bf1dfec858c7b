"""``ctloop``: one verb per stage and job. Imports nothing heavy until a verb runs."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import typer

from pipelines.commands import jobs, labeling, registry, stages

# the order of `ctloop --help`: from the whole loop through its steps to what is beside it
VERBS: tuple[Callable[..., None], ...] = (
    jobs.demo, jobs.loop, jobs.add,
    stages.ingest, stages.prepare, stages.split, stages.pseudo_label, stages.train, stages.evaluate,
    registry.register, registry.gate, registry.promote, registry.rollback,
    jobs.monitor, jobs.retrain, labeling.serve, jobs.doctor, jobs.phantoms,
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
app.add_typer(labeling.requests_app, name="requests")
app.add_typer(labeling.labels_app, name="labels")


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


if __name__ == "__main__":
    main()
