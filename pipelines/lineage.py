"""How a model came about: what git, DVC and the parameters say at this moment."""

from __future__ import annotations

import hashlib
import json
import subprocess
from dataclasses import dataclass
from typing import Any

import yaml

from components.cohort.split import Split
from components.cohort.task import Task
from components.cohort.validation import validation_patients
from components.errors import StateError
from components.models.description import training_facts
from pipelines.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class Lineage:
    """``facts`` is JSON-able; ``archived`` are whole files, name → text."""

    facts: dict[str, Any]
    archived: dict[str, str]

    def tags(self) -> dict[str, str]:
        """The facts that are short, as text; lists stay in the package."""
        short = {key: value for key, value in self.facts.items() if not isinstance(value, list | dict)}
        tags = {key: str(value) for key, value in short.items() if value is not None}
        hashes = {f"hash.{path}": str(value) for path, value in self.facts["hashes"].items()}
        return tags | hashes


def lineage_of(workspace: Workspace, task: Task, *, parent: str | None) -> Lineage:
    """Commit, hashes of the stages' actual inputs, label set, seed, teacher, parent, batches, patients.

    ``parent`` is the champion at this time, ``NAME/VERSION``. Raises ``StateError`` without dvc.lock.
    """
    lock_file = workspace.root / "dvc.lock"
    if not lock_file.is_file():
        raise StateError(expected="dvc.lock", got="nothing there", hint="`dvc repro`")
    lock = yaml.safe_load(lock_file.read_text())
    split = Split.from_json(workspace.split(task).read_text())
    aside = validation_patients(
        split, float(training_facts(workspace.model(task)).get("validation_share", 0.0))
    )
    diff = git(workspace, "diff", "HEAD")
    hashes = input_hashes(lock, task)
    facts = {
        "git_commit": git(workspace, "rev-parse", "HEAD").strip(),
        "git_dirty": bool(diff),
        "task": task,
        "hashes": hashes,
        "label_set": hashes.get(f"data/{task}/labels"),
        "seed": _seed(lock, task),
        "teacher_fingerprint": _teacher(workspace, task),
        "parent": parent,
        "batches": sorted(set(split.batches.values())),
        "training_patients": sorted(set(split.patients("train")) - aside),
        "test_patients": len(split.patients("test")),
        "held_out_patients": list(split.patients("test")),
        "requirements_sha256": _requirements(workspace),
    }
    archived = {
        "dvc.lock": lock_file.read_text(),
        "params.yaml": workspace.params.read_text(),
        "labels.json": _label_manifest(workspace, task),
    }
    return Lineage(facts=facts, archived=archived | ({"dirty.diff": diff} if diff else {}))


def input_hashes(lock: dict[str, Any], task: Task) -> dict[str, str]:
    """Path → hash of the data that train and evaluate of ``task`` read and wrote, from dvc.lock."""
    hashes = {}
    for stage in ("train", "evaluate"):
        entry = lock.get("stages", {}).get(f"{stage}@{task}", {})
        for item in (*entry.get("deps", ()), *entry.get("outs", ())):
            path = str(item["path"])
            if path.startswith(("data/", "models/")):
                hashes[path] = str(item.get("md5") or item.get("hash"))
    return dict(sorted(hashes.items()))


def _label_manifest(workspace: Workspace, task: Task) -> str:
    """Frame or case → its label's sidecar, as JSON."""
    sidecars = sorted(workspace.labels(task).glob("*.sidecar.json"))
    manifest = {path.name.removesuffix(".sidecar.json"): json.loads(path.read_text()) for path in sidecars}
    return json.dumps(manifest, indent=1, sort_keys=True) + "\n"


def _seed(lock: dict[str, Any], task: Task) -> int | None:
    """The training seed that the lock file recorded, wherever the section keeps it."""
    recorded = lock.get("stages", {}).get(f"train@{task}", {}).get("params", {})
    found = _find(recorded, "seed")
    return int(found) if found is not None else None


def _find(tree: Any, name: str) -> Any:
    if not isinstance(tree, dict):
        return None
    if name in tree:
        return tree[name]
    return next((found for value in tree.values() if (found := _find(value, name)) is not None), None)


def _teacher(workspace: Workspace, task: Task) -> str | None:
    manifest = workspace.pseudo(task) / "manifest.json"
    if not manifest.is_file():
        return None
    found = json.loads(manifest.read_text()).get("fingerprint")
    return str(found) if found is not None else None


def _requirements(workspace: Workspace) -> str | None:
    """sha256 of the file that pins the packages."""
    path = workspace.root / "requirements.lock"
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None


def git(workspace: Workspace, *arguments: str) -> str:
    """What a git command prints in the workspace; ``StateError`` when it fails."""
    done = subprocess.run(
        ("git", *arguments), cwd=workspace.root, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise StateError(
            expected="a workspace in git",
            got=done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "no answer",
            hint="`git clone`, then work inside the clone",
        )
    return done.stdout
