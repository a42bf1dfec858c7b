"""Everything that a pilot report rests on, by version, hash or date, so that another person can make it again."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from components.operations.register_model import subject_of
from components.registry.ledger import LedgerEntry
from components.registry.package import LINEAGE, MLFLOW_FILES
from components.registry.registry import ModelVersion
from pipelines.lineage import git
from pipelines.workspace import Workspace

Input = dict[str, str]


def inputs(
    workspace: Workspace,
    version: ModelVersion,
    package: Path,
    entries: Sequence[LedgerEntry],
    files: Iterable[Path],
) -> list[Input]:
    """Rows of ``what``, ``name``, ``identity`` (a hash or commit) and ``at``.

    Args:
        package: the version's, as the registry gave it.
        entries: of the ledger that were read.
        files: of the workspace that were read.
    """
    return [
        _input("model", subject_of(version), version.package_hash, version.created_at),
        *_package_files(package),
        *_code(workspace),
        *(
            _input("file", path.relative_to(_base(workspace, path)).as_posix(), file_sha256(path))
            for path in files
        ),
        *(_input("ledger", f"{entry.kind} of {entry.subject}", "", entry.at) for entry in entries),
    ]


def file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _input(what: str, name: str, identity: str, at: str = "") -> Input:
    return {"what": what, "name": name, "identity": identity, "at": at}


def _package_files(package: Path) -> Iterator[Input]:
    for path in sorted(package.rglob("*")):
        name = path.relative_to(package)
        if path.is_file() and name.as_posix() not in MLFLOW_FILES and name.parts[0] != LINEAGE:
            yield _input("of the model", name.as_posix(), file_sha256(path))


def _code(workspace: Workspace) -> Iterator[Input]:
    commit, at = git(workspace, "log", "-1", "--format=%H %cI").split()
    changed = len(git(workspace, "status", "--porcelain", "--untracked-files=no").splitlines())
    name = "code and parameters" + (f", with {changed} files that are not committed" if changed else "")
    yield _input("commit", name, commit, at)
    yield _input("parameters", "pipelines/params.yaml", file_sha256(workspace.params))


def _base(workspace: Workspace, path: Path) -> Path:
    """The state folder may lie outside of the clone."""
    return workspace.state if path.is_relative_to(workspace.state) else workspace.root
