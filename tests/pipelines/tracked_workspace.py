"""The made workspace under git and DVC, with stages for chest CT that do next to nothing."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import yaml

from components.adapters.sql_store import SqlStore
from pipelines.dvc_commands import STAGES, add_version
from pipelines.serve import WorkspaceDesk
from pipelines.workspace import Workspace
from tests.pipelines.answering_workspace import CHEST_REQUEST, made_workspace
from tests.pipelines.small_sources import PARAMS, a_workspace

LIST = "import os; print(*sorted(os.listdir('data/classification/answers')), file=open('models/seen', 'w'))"


def tracked_workspace(root: Path, *, split: str = "true") -> tuple[Workspace, SqlStore]:
    """One commit; ``models/seen`` is what training writes: the names of the answers.

    Args:
        root: folder to be made.
        split: command of the stage ``split``.
    """
    workspace, store = made_workspace(root)
    matrix = {"task": ["classification"]}
    stages: dict[str, dict[str, object]] = {name: {"matrix": matrix, "cmd": "true"} for name in STAGES}
    stages["split"]["cmd"] = split
    stages["train"] |= {
        "cmd": f'python -c "{LIST}"',
        "deps": ["data/classification/answers"],
        "outs": ["models/seen"],
    }
    (root / "dvc.yaml").write_text(yaml.safe_dump({"stages": stages}))
    (root / ".gitignore").write_text("/.ctloop/\n/data/*/ingested/\n/data/*/pseudo/\n")
    (root / "models").mkdir()
    answers = workspace.answers("classification")
    answers.mkdir()
    (answers / ".keep").touch()
    _start(root)
    add_version(root, answers)
    _git(root, "add", "--all")
    _git(root, "commit", "--quiet", "-m", "start")
    return workspace, store


def new_workspace(root: Path) -> Workspace:
    """As a clone comes, without ``data`` and ``models``; the stages up to the split are the real ones.

    Training fails, as it does without labels.
    """
    workspace, shipped = a_workspace(root), Workspace.at(Path(__file__).parents[2])
    shutil.rmtree(root / "data")
    sections = yaml.safe_load(shipped.params.read_text()) | yaml.safe_load(PARAMS)
    workspace.params.write_text(yaml.safe_dump(sections))
    stages = yaml.safe_load((shipped.root / "dvc.yaml").read_text())["stages"]
    kept = {name: {key: stages[name][key] for key in ("matrix", "cmd", "outs")} for name in STAGES[:3]}
    made = {name: [str(next(iter(out))) for out in stage["outs"]] for name, stage in kept.items()}
    kept["prepare"]["deps"] = [*made["ingest"], "data/${item.task}/answers"]
    kept["split"]["deps"] = made["prepare"]
    for name, needed, command in (
        ("pseudo_label", "split", "true"),
        ("train", "split", "false"),
        ("evaluate", "split", "false"),
    ):
        kept[name] = {"matrix": stages[name]["matrix"], "cmd": command, "deps": made[needed]}
    (root / "dvc.yaml").write_text(yaml.safe_dump({"stages": kept}))
    (root / ".gitignore").write_text("/.ctloop/\n")
    _start(root)
    _git(root, "add", "--all")
    _git(root, "commit", "--quiet", "-m", "start")
    return workspace


def answer_on_the_page(workspace: Workspace, store: SqlStore) -> None:
    """An answer that was accepted but has no data version yet."""
    desk = WorkspaceDesk(workspace, store, store, lambda path: add_version(workspace.root, path))
    desk.take_findings(CHEST_REQUEST, {"emphysema": "1"}, annotator="reader-1", minutes=None)


def _start(root: Path) -> None:
    _git(root, "init", "--quiet")
    subprocess.run((sys.executable, "-m", "dvc", "init", "--quiet"), cwd=root, check=True)


def _git(root: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=test", "-c", "user.email=test@localhost")
    subprocess.run(("git", *identity, *arguments), cwd=root, check=True, capture_output=True)
