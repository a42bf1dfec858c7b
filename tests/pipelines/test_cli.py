"""The command line runs the code of the workspace that it names, and refuses what is none, in one line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines import cli
from pipelines.cli import named_workspace
from pipelines.workspace import Workspace

ROOT = Path(__file__).parents[2]
FORMS = {
    "long": ("--workspace", "{}"),
    "long with =": ("--workspace={}",),
    "short": ("-w", "{}"),
    "short, joined": ("-w{}",),
}


def tree(folder: Path) -> Path:
    """A clone whose command line only says where it lies and what it was asked."""
    (folder / "pipelines").mkdir(parents=True)
    (folder / "pipelines" / "__init__.py").touch()
    (folder / "pipelines" / "cli.py").write_text("import sys; print(__file__, *sys.argv[1:])")
    return folder


def ctloop(*words: str, cwd: Path) -> str:
    """What the command says that was installed from this repository; its own folder is not on the path."""
    environment = {name: value for name, value in os.environ.items() if name != "CTLOOP_CODE"}
    done = subprocess.run(
        (sys.executable, "-P", "-m", "pipelines.cli", *words),
        cwd=cwd, env={**environment, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout.strip()


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())
@pytest.mark.parametrize("name", ["../second", "{}/second"], ids=["relative", "absolute"])
def test_the_named_workspaces_code_runs(tmp_path: Path, form: tuple[str, ...], name: str) -> None:
    here, second = tree(tmp_path / "first"), tree(tmp_path / "second")
    words = [word.format(name.format(tmp_path)) for word in form]
    said = ctloop("doctor", *words, cwd=here)
    assert said == " ".join((str(second / "pipelines" / "cli.py"), "doctor", *words))


def test_here_is_the_workspace_unless_another_is_named(tmp_path: Path) -> None:
    here = tree(tmp_path / "first")
    assert ctloop("doctor", cwd=here) == f"{here / 'pipelines' / 'cli.py'} doctor"


@pytest.mark.parametrize(
    ("words", "named"), [("-w a -w b", "b"), ("--workspace=a --task x", "a"), ("train --workspace", ".")]
)
def test_the_last_named_workspace_counts(words: str, named: str) -> None:
    assert named_workspace(words.split()) == Path(named)


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setenv("CTLOOP_CODE", "this")
    monkeypatch.setattr(sys, "argv", ["ctloop", *arguments])
    with pytest.raises(SystemExit) as left:
        cli.main()
    assert isinstance(left.value.code, int)
    return left.value.code


@pytest.mark.parametrize("arguments", [("--source", ""), ("--source=",), ("--source", " ")])
def test_an_empty_value_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    assert run(monkeypatch, "add", *arguments) == 1
    assert "expected a value for every option" in capsys.readouterr().err


def test_a_folder_that_is_no_workspace_stays_as_it_is(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for verb in (("add", "--source", str(tmp_path)), ("requests", "list"), ("ingest",)):
        assert run(monkeypatch, *verb, "--workspace", str(tmp_path)) == 1
        assert "a clone of this repository" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_the_shipped_clone_is_a_workspace() -> None:
    assert Workspace.existing(ROOT).root == ROOT
