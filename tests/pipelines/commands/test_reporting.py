"""What the verb refuses before anything is read, and what it says of itself."""

from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner

from components.errors import StateError
from pipelines.cli import app


def test_a_folder_that_is_no_workspace_is_refused(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["pilot-report", "--workspace", str(tmp_path)])
    assert isinstance(result.exception, StateError)
    assert not list(tmp_path.iterdir())


def test_help_has_an_example_and_tells_the_exit_code() -> None:
    shown = CliRunner().invoke(app, ["pilot-report", "--help"]).output
    assert "ctloop pilot-report --out" in shown
    assert "exit code is 0" in " ".join(shown.split())
