"""The model card and quality dossier of a package, written into it before it is registered."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from components.adapters.parquet import read_parquet
from components.adapters.whole_file import write_whole
from components.cohort.labels import LabelSidecar, allowed
from components.cohort.split import Side, Split
from components.cohort.task import Task
from components.operations.register_model import subject_of
from components.registry.change_log import TRAINING_LABELS, change_log, shaping_parameters, snapshot_of
from components.registry.data_provenance import data_provenance, no_data
from components.registry.dossier import (
    CONTENT,
    PAGE,
    DossierFacts,
    DossierParams,
    dossier_of,
)
from components.registry.gate_params import GateParams
from components.registry.label_provenance import LabelRecord, label_provenance, training_labels
from components.registry.model_card import PackageFiles
from components.registry.package import DOSSIER, LINEAGE
from components.registry.registry import ModelVersion, Registry
from pipelines.dossier_page import page_of
from pipelines.evaluate_params import EvaluateParams
from pipelines.params import load_section
from pipelines.workspace import Workspace

TAG = "dossier_sha256"


def add_dossier(
    workspace: Workspace,
    task: Task,
    package: Path,
    *,
    name: str,
    package_hash: str,
    registry: Registry,
    parent: ModelVersion | None,
) -> dict[str, str]:
    """Complete an assembled package by ``dossier/`` and the list of its training labels; the tag that names it.

    Args:
        name: under which it will be registered.
        parent: the version in use, whose package is compared with.

    Raises ``ParameterError`` for a section ``dossier`` that cannot be read, ``StateError`` when the parent's package is
    not as it was registered.
    """
    lineage = _json(package / LINEAGE / "lineage.json")
    model = _json(package / "model.json")
    records = list(label_records(workspace, task))
    write_whole(package / LINEAGE / TRAINING_LABELS, _text(training_labels(records)))
    data = _data(workspace, task, lineage["hashes"])
    evaluate = load_section(EvaluateParams, workspace.params, "evaluate", task)
    content = dossier_of(
        DossierFacts(
            identity={"name": name, "task": task, "package_hash": package_hash},
            files=PackageFiles(
                model=model,
                metrics=_json(package / "metrics.json"),
                calibration=_json(package / "calibration.json"),
                lineage=lineage,
            ),
            data=data,
            labels=label_provenance(
                records,
                label_set=lineage.get("label_set"),
                trained_on=(model.get("training") or {}).get("labels", {}),
            ),
            changes=_changes(package, data, registry, parent),
            gate=load_section(GateParams, workspace.params, "gate", task),
            intervals={"draws": evaluate.draws, "level": evaluate.level},
        ),
        load_section(DossierParams, workspace.params, "dossier", task),
    )
    text = _text(content)
    write_whole(package / DOSSIER / CONTENT, text)
    write_whole(package / DOSSIER / PAGE, page_of(content))
    return {TAG: hashlib.sha256(text.encode()).hexdigest()}


def label_records(workspace: Workspace, task: Task) -> Iterator[LabelRecord]:
    """Of training patients the label that training may read, the expert's first; of others only experts' labels."""
    provenances = _provenances(workspace, task)
    for name, side in sorted(_sides(workspace, task).items()):
        folders = [workspace.labels(task), *([workspace.pseudo(task)] if side == "train" else [])]
        sidecar = _first_sidecar(name, folders, provenances if side == "train" else ("expert",))
        if sidecar is not None:
            yield LabelRecord(name=name, side=side, sidecar=sidecar)


def _changes(
    package: Path, data: dict[str, Any], registry: Registry, parent: ModelVersion | None
) -> dict[str, Any] | None:
    if parent is None:
        return None
    before = registry.fetch(parent)
    path = before / DOSSIER / CONTENT
    known = _json(path)["data"] if path.is_file() else None
    identity = {"version": subject_of(parent), "package_hash": parent.package_hash}
    return change_log(snapshot_of(package, data), snapshot_of(before, known), identity)


def _data(workspace: Workspace, task: Task, hashes: dict[str, str]) -> dict[str, Any]:
    frames = workspace.prepared(task) / "frames.parquet"
    if not (frames.is_file() and workspace.split(task).is_file()):
        return no_data(hashes)
    return data_provenance(read_parquet(frames), Split.from_json(workspace.split(task).read_text()), hashes)


def _sides(workspace: Workspace, task: Task) -> dict[str, Side]:
    """Frame (classification: case) → side of its patient."""
    frames = workspace.prepared(task) / "frames.parquet"
    if not (frames.is_file() and workspace.split(task).is_file()):
        return {}
    table = read_parquet(frames)
    sides = Split.from_json(workspace.split(task).read_text()).assignments
    names = table["frame_id" if task == "segmentation" else "case_id"].astype(str)
    pairs = zip(names, table["patient_id"].astype(str), strict=True)
    return {name: sides[patient] for name, patient in pairs if patient in sides}


def _provenances(workspace: Workspace, task: Task) -> Sequence[str]:
    parameters = shaping_parameters(workspace.params.read_text(), task)
    return tuple(parameters.get(f"train.{task}.provenances") or ("expert", "pseudo"))


def _first_sidecar(name: str, folders: Sequence[Path], provenances: Sequence[str]) -> LabelSidecar | None:
    for folder in folders:
        path = folder / f"{name}.sidecar.json"
        if path.is_file() and allowed(sidecar := LabelSidecar.from_json(path.read_text()), provenances):
            return sidecar
    return None


def _json(path: Path) -> Any:
    return json.loads(path.read_text())


def _text(content: Any) -> str:
    return json.dumps(content, indent=1, sort_keys=True) + "\n"
