"""CI runs what the README tells people to type: `.ci/run` the make targets, `.ci/real-loop` the rest."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.workspace import Workspace
from tests.acceptance.readme_commands import CASES, commands, in_ci, run, visit
from tests.pipelines.answering_workspace import HEART_REQUEST, made_workspace
from tests.pipelines.connections import ROOT, why_not

README = (ROOT / "README.md").read_text()
needs_strace = pytest.mark.skipif(bool(why_not("strace")), reason=why_not("strace"))


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    made, store = made_workspace(tmp_path / "workspace")
    store.close()
    return made


def test_commands_are_read_without_comments_and_apart() -> None:
    markdown = (
        "a\n```sh\nmake one && .venv/bin/ctloop 'b c'   # why\n\n# all\nx \\\n  y\n```\n```text\nno\n```\n"
    )
    assert commands(markdown) == [["make", "one"], [".venv/bin/ctloop", "b c"], ["x", "y"]]


def test_only_the_installation_and_the_scans_are_replaced() -> None:
    ctloop = f"{Path(sys.executable).parent}/ctloop"
    assert in_ci([".venv/bin/ctloop", "doctor"], Path("/scans")) == [ctloop, "doctor"]
    assert in_ci([".venv/bin/ctloop", "loop", "--source", "/data/export"], Path("/scans")) == [
        ctloop, "loop", "--source", "/scans", "--cases", CASES,
    ]  # fmt: skip


def test_every_marked_block_of_the_readme_is_read() -> None:
    assert set(re.findall(r"^```(\w+)", README, re.MULTILINE)) == {"sh"}


def make_targets() -> set[str]:
    in_blocks = {words[1] for words in commands(README) if words[0] == "make"}
    return in_blocks | set(re.findall(r"`make (\w+)", README))


@pytest.mark.parametrize("target", sorted(make_targets()))
def test_ci_makes_what_the_readme_makes(target: str) -> None:
    ci = (ROOT / ".ci" / "run").read_text()
    assert f"make {target}" in ci.splitlines()


def test_the_rest_runs_in_the_real_loop() -> None:
    lines = (ROOT / ".ci" / "real-loop").read_text().splitlines()
    assert '"$bin/python" -m tests.acceptance.readme_commands' in lines


@needs_strace
def test_a_command_that_fails_is_an_error(tmp_path: Path) -> None:
    run(["true"], tmp_path / "trace")
    with pytest.raises(subprocess.CalledProcessError):
        run(["false"], tmp_path / "trace")


@needs_strace
def test_a_server_is_asked_and_stopped(tmp_path: Path, workspace: Workspace) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    workspace.params.write_text(f"serve: {{port: {port}}}\n")
    serve = in_ci([".venv/bin/ctloop", "serve", "--workspace", str(workspace.root)], tmp_path)
    assert f"/requests/{HEART_REQUEST.id}" in visit(serve, tmp_path / "trace", workspace)


@needs_strace
def test_a_server_that_ends_is_an_error(tmp_path: Path, workspace: Workspace) -> None:
    with pytest.raises(AssertionError, match="exit code 1"):
        visit(["false"], tmp_path / "trace", workspace)
