"""Build the teacher that the parameters name."""

from __future__ import annotations

from components.errors import ParameterError
from components.models.teacher import Teacher
from components.models.teacher_labels import TeacherLabels
from components.models.view_consensus import ViewConsensus
from pipelines.label_names import structure_names
from pipelines.pseudo_params import PseudoLabelParams
from pipelines.workspace import Workspace


def open_teacher(params: PseudoLabelParams, workspace: Workspace) -> Teacher | None:
    """``None`` for ``none``; torch and MONAI are imported only for a bundle or a registered model."""
    teacher = _one_view(params, workspace)
    if teacher is None or params.views is None:
        return teacher
    return ViewConsensus(teacher, params.views)


def _one_view(params: PseudoLabelParams, workspace: Workspace) -> Teacher | None:
    if params.teacher == "none":
        return None
    labels = TeacherLabels(to_structure=params.labels, structures=structure_names(workspace))
    if params.teacher == "bundle":
        from components.adapters.monai_bundle import open_bundle

        return open_bundle(
            workspace.root / params.bundle,
            trusted_sha256=params.trusted_sha256,
            labels=labels,
            threads=params.threads or None,
            state=workspace.state,
        )
    if params.teacher == "registry":
        return _registered(params, workspace, labels)
    if params.teacher == "rule":
        from components.models.rule_teacher import rule_teacher

        return rule_teacher(params.rules, labels)
    from components.adapters.command_teacher import open_command

    return open_command(
        params.command,
        labels=labels,
        log_folder=workspace.state / "teacher-logs",
        output=params.command_output,
        timeout_s=params.command_timeout_s,
        version_command=params.version_command,
        pinned_sha256=params.resolved_sha256,
        most_mb=params.memory_mb or None,
    )


def _registered(params: PseudoLabelParams, workspace: Workspace, labels: TeacherLabels) -> Teacher:
    """The version that the parameters pin by hash; the package is verified when it is fetched."""
    if not params.resolved_sha256:
        raise ParameterError(
            expected=f"pseudo_label.resolved_sha256, the version that {params.model or 'model'} stands for",
            got="none yet",
            hint="`ctloop pseudo-label`, which writes it before DVC runs",
        )
    import torch

    from components.adapters.mlflow_registry import MlflowRegistry
    from components.adapters.registry_teacher import open_registered, with_hash
    from components.models.package import load_predictor

    if params.threads:
        torch.set_num_threads(params.threads)
    registry = MlflowRegistry(uri=workspace.mlflow_uri, artifacts=workspace.mlflow_artifacts)
    version = with_hash(registry, params.model, params.resolved_sha256)
    return open_registered(version, load_predictor(registry.fetch(version)), labels)
