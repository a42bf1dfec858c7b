"""What a retraining would learn that the champion did not: its label set against the champion's."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from components.cohort.label_set import (
    LABEL_SET_FILE,
    LabelSetDiff,
    TaughtLabel,
    diff_label_sets,
    read_label_set,
)
from components.cohort.labels import LabelSidecar, allowed
from components.cohort.split import Split
from components.cohort.task import Task
from components.cohort.validation import validation_patients
from components.errors import StateError
from components.registry.registry import ModelVersion
from pipelines.composition import MODEL_NAMES, Services
from pipelines.held_out import frames_of
from pipelines.label_names import structure_names
from pipelines.params import load_section
from pipelines.prepare_labels import chosen_label
from pipelines.retrain_params import RetrainParams
from pipelines.train import ClassificationTrainParams, SegmentationTrainParams, TrainParams
from pipelines.workspace import Workspace

_PARAMS: dict[Task, type[TrainParams]] = {
    "segmentation": SegmentationTrainParams,
    "classification": ClassificationTrainParams,
}


@dataclass(frozen=True, kw_only=True)
class KnownLabels:
    """What a registered version was trained on; ``whole``: pseudo-labels included."""

    labels: tuple[TaughtLabel, ...]
    whole: bool
    note: str


def coming_diff(services: Services, task: Task) -> LabelSetDiff:
    """The labels as they stand now, answers included, against the champion's; nothing is run or changed.

    A teacher that the retraining runs may still write other pseudo-labels. Raises ``StateError`` without prepared
    scans or a split.
    """
    if not services.workspace.split(task).is_file():
        raise StateError(
            expected=f"prepared and split scans for {task}",
            got="none",
            hint="`ctloop add`, then `ctloop split`",
        )
    champion = services.registry.by_alias(MODEL_NAMES[task], "champion")
    known = champion_labels(services, task, champion)
    before = {label.name: label for label in known.labels}
    after = [
        label
        if label.name in before and before[label.name].same_label(label)
        else replace(label, shows=show())
        for label, show in _labels_now(services.workspace, task)
        if known.whole or label.provenance == "expert"
    ]
    return diff_label_sets(known.labels, after, note=known.note)


def trained_diff(services: Services, task: Task) -> LabelSetDiff:
    """The labels that the workspace's model was trained on against the champion's."""
    champion = services.registry.by_alias(MODEL_NAMES[task], "champion")
    known = champion_labels(services, task, champion)
    trained = read_label_set((services.workspace.model(task) / LABEL_SET_FILE).read_text())
    after = [label for label in trained if known.whole or label.provenance == "expert"]
    return diff_label_sets(known.labels, after, note=known.note)


def champion_labels(services: Services, task: Task, champion: ModelVersion | None) -> KnownLabels:
    """The label set in the champion's package; of an older package the experts' labels in its lineage."""
    if champion is None:
        return KnownLabels(labels=(), whole=True, note="no champion: every label is new")
    package = services.registry.fetch(champion)
    name = f"against {champion.name}/{champion.version}"
    if (file := package / LABEL_SET_FILE).is_file():
        return KnownLabels(labels=read_label_set(file.read_text()), whole=True, note=name)
    labels = _archived(services.workspace, task, package)
    return KnownLabels(
        labels=labels,
        whole=False,
        note=f"{name}, whose package names experts' labels only: only these are compared",
    )


def _labels_now(
    workspace: Workspace, task: Task
) -> Iterator[tuple[TaughtLabel, Callable[[], tuple[str, ...]]]]:
    """Of training patients, of allowed provenances, an expert's before a teacher's; and how to see what it shows."""
    provenances = load_section(_PARAMS[task], workspace.params, "train", task).provenances
    structures = structure_names(workspace)
    split = Split.from_json(workspace.split(task).read_text())
    share = load_section(RetrainParams, workspace.params, "retrain", task).share
    rows = frames_of(workspace, task, "train")
    rows = rows[~rows["patient_id"].isin(validation_patients(split, share))]
    name = "frame_id" if task == "segmentation" else "case_id"
    rows = rows.drop_duplicates(name).sort_values(name)
    sites = rows["site"].fillna("") if "site" in rows else [""] * len(rows)
    for key, patient, site in zip(rows[name].astype(str), rows["patient_id"].astype(str), sites, strict=True):
        for file in _files(workspace, task, key):
            sidecar = LabelSidecar.from_json(file.with_name(f"{key}.sidecar.json").read_text())
            if allowed(sidecar, provenances):
                label = TaughtLabel(
                    name=key, patient_id=patient, site=str(site), provenance=sidecar.provenance,
                    label_sha256=sidecar.label_sha256, shows=(),
                )  # fmt: skip
                yield label, lambda file=file: _shown(file, structures)  # type: ignore[misc]
                break


def _files(workspace: Workspace, task: Task, name: str) -> Iterator[Path]:
    suffix = ".b2nd" if task == "segmentation" else ".json"
    given = chosen_label(workspace, name, suffix, task=task)
    taught = workspace.pseudo(task) / f"{name}{suffix}"
    if given is not None:
        yield given
    if taught.is_file() and taught.with_name(f"{name}.sidecar.json").is_file():
        yield taught


def _shown(file: Path, structures: tuple[str, ...]) -> tuple[str, ...]:
    if file.suffix == ".json":
        findings = json.loads(file.read_text())
        return tuple(sorted(name for name, value in findings.items() if value == 1))
    from components.adapters.blosc_store import load_label_map

    label_map = load_label_map(file)
    drawn = {label_map.names.get(int(value)) for value in np.unique(label_map.labels)}
    return tuple(sorted(name for name in structures if name in drawn))


def _archived(workspace: Workspace, task: Task, package: Path) -> tuple[TaughtLabel, ...]:
    """From lineage/labels.json: the labels of patients that trained the model and are known here."""
    manifest, lineage = package / "lineage" / "labels.json", package / "lineage" / "lineage.json"
    if not (manifest.is_file() and lineage.is_file()):
        return ()
    trained = set(json.loads(lineage.read_text()).get("training_patients", ()))
    rows = frames_of(workspace, task, "train")
    name = "frame_id" if task == "segmentation" else "case_id"
    patients = dict(zip(rows[name].astype(str), rows["patient_id"].astype(str), strict=True))
    sites = dict(zip(rows[name].astype(str), rows["site"].fillna(""), strict=True)) if "site" in rows else {}
    return tuple(
        TaughtLabel(
            name=key, patient_id=patients[key], site=str(sites.get(key, "")), provenance=sidecar["provenance"],
            label_sha256=sidecar["label_sha256"], shows=(),
        )
        for key, sidecar in sorted(json.loads(manifest.read_text()).items())
        if patients.get(key) in trained
    )  # fmt: skip
