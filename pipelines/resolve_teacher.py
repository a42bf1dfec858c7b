"""Resolve a teacher named by an alias to a version and hash, before anything runs.

DVC sees files and parameters, not a registry: a stage whose parameters say ``models:/NAME@champion`` would not
notice that the champion changed. So every verb of ctloop that may run the stage first writes what the name
stands for at this moment into params.yaml. The stage uses that hash and no other: `dvc repro` by hand repeats
the pinned teacher, a moved alias makes the stage run again through ctloop, and the commit says which version
taught.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from components.cohort.task import TASKS
from pipelines.params import load_section
from pipelines.params_override import override_params
from pipelines.progress import say, write_json
from pipelines.pseudo_params import PseudoLabelParams
from pipelines.workspace import Workspace


def resolve_teacher(workspace: Workspace) -> bool:
    """Pin a ``teacher: registry`` in params.yaml; whether the file changed.

    Does nothing for other teachers. Raises ``StateError`` when the name stands for nothing that ctloop
    registered.
    """
    changed = False
    for task in TASKS:
        params = load_section(PseudoLabelParams, workspace.params, "pseudo_label", task)
        if params.teacher != "registry":
            continue
        from components.adapters.mlflow_registry import MlflowRegistry
        from components.adapters.registry_teacher import resolve

        registry = MlflowRegistry(uri=workspace.mlflow_uri, artifacts=workspace.mlflow_artifacts)
        version = resolve(registry, params.model)
        pinned = {"resolved_version": version.version, "resolved_sha256": version.package_hash}
        if _write(workspace, {"pseudo_label": {task: pinned}}):
            say(f"teacher {params.model} is now {version.name}/{version.version}, pinned in params.yaml")
            changed = True
    return changed


def _write(workspace: Workspace, values: dict[str, object]) -> bool:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "resolved.yaml"
        write_json(path, values)
        return override_params(workspace.params, path)
