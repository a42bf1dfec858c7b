"""Job: put the trained and evaluated model into the registry as the challenger, with its dossier."""

from __future__ import annotations

import tempfile
from pathlib import Path

from components.cohort.task import Task
from components.operations.register_model import register_model, subject_of
from components.registry.ledger import Ledger
from components.registry.package import assemble_package
from components.registry.registry import ModelVersion, Registry
from pipelines.lineage import lineage_of
from pipelines.package_dossier import add_dossier
from pipelines.workspace import Workspace


def register(
    workspace: Workspace, task: Task, registry: Registry, ledger: Ledger, *, name: str
) -> ModelVersion:
    """Package ``models/TASK`` with its evaluation, lineage and dossier; idempotent by the package's hash.

    Raises ``StateError`` when a part of the package is missing or the workspace has no dvc.lock.
    """
    champion = registry.by_alias(name, "champion")
    lineage = lineage_of(workspace, task, parent=subject_of(champion) if champion else None)
    with tempfile.TemporaryDirectory() as scratch:
        package = Path(scratch) / "package"
        package_hash = assemble_package(
            package,
            model=workspace.model(task),
            evaluation=workspace.evaluation(task),
            metrics=workspace.metrics(task),
            lineage=lineage.facts,
            archived=lineage.archived,
        )
        named = add_dossier(
            workspace, task, package,
            name=name, package_hash=package_hash, registry=registry, parent=champion,
        )  # fmt: skip
        tags = lineage.tags() | named
        return register_model(
            registry, ledger, name=name, package=package, package_hash=package_hash, tags=tags
        )
