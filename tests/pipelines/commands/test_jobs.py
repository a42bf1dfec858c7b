"""What the jobs refuse before they start."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipelines import demo, phantoms
from pipelines.cli import app


@pytest.mark.parametrize(
    "command", [["demo"], ["phantoms", "out", "--task", "segmentation"]], ids=["demo", "phantoms"]
)
def test_a_negative_seed_is_refused(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[str] = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(demo, "demo", lambda *_, **__: started.append("demo"))
    monkeypatch.setattr(phantoms, "write_cardiac_batch", lambda *_, **__: started.append("phantoms"))
    result = CliRunner().invoke(app, [*command, "--seed", "-1"])
    assert result.exit_code == 2
    assert "'--seed'" in result.output
    assert not started
