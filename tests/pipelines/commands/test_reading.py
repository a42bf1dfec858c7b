"""What the verb refuses before anything is read."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from components.errors import ParameterError, StateError
from pipelines.cli import app

ROOT = Path(__file__).parents[3]


def invoke(*words: str) -> Exception | int:
    result = CliRunner().invoke(app, ["reading-list", *words])
    return result.exception if isinstance(result.exception, Exception) else result.exit_code


def test_segmentation_has_no_urgency() -> None:
    with pytest.raises(ParameterError, match="--task classification, got segmentation"):
        raise invoke("--task", "segmentation", "--workspace", str(ROOT))  # type: ignore[misc]


def test_a_folder_that_is_no_workspace_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="a clone of this repository"):
        raise invoke("--workspace", str(tmp_path))  # type: ignore[misc]


@pytest.mark.parametrize("option", ["--limit", "--version"])
def test_numbers_begin_at_one(option: str) -> None:
    assert invoke(option, "0") == 2
