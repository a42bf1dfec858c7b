"""Job: judge a registered version on another site or species, without training on it, and measure the drop."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from components.adapters.parquet import read_parquet
from components.cohort.task import Task
from components.errors import ParameterError, StateError
from components.models.prediction import Predictor
from components.operations.external_test import TrainingRecord, leak_checks, refuse_leaks
from components.operations.register_model import subject_of
from components.registry.registry import Alias, ModelVersion, Registry
from components.volume.volume import Volume
from pipelines.batch_list import read_batches
from pipelines.classification_report import JudgedClassifier
from pipelines.evaluate_params import EvaluateParams
from pipelines.external_data import (
    ExternalData,
    frames_table,
    hash_of,
    label_hashes,
    labelled_cases,
    left_out,
    prepared_data,
    whether_it_may_train,
)
from pipelines.judge_classification import judge_classification
from pipelines.judge_segmentation import judge_segmentation
from pipelines.params import load_section
from pipelines.progress import write_json
from pipelines.segmentation_report import JudgedModel
from pipelines.whole_folder import whole_folder
from pipelines.workspace import Workspace

Judged = JudgedModel | JudgedClassifier


def external_test(
    workspace: Workspace,
    task: Task,
    version: ModelVersion,
    data: ExternalData,
    *,
    registry: Registry,
    load_predictor: Callable[[Path], Predictor],
) -> dict[str, Any]:
    """The result, which lies in ``report_folder`` too, with a page, and in an MLflow run.

    No alias, ledger or label moves, and nothing is fitted: temperatures and thresholds are the package's. All cases
    with an expert's label are predicted, and judged where it is.

    Raises ``StateError`` when a patient, scan or label of the data trained the version, or none has an expert label.
    """
    package = registry.fetch(version)
    with prepared_data(workspace, task, data) as (home, digest):
        frames = labelled_cases(home, task, data)
        labels = label_hashes(home, task, frames)
        key = read_batches(home).pseudonym_key
        trained = _training_record(workspace, task, package)
        checks = leak_checks(frames, labels if task == "segmentation" else None, key, trained)
        refuse_leaks(subject_of(version), frames, checks)
        params = load_section(EvaluateParams, workspace.params, "evaluate", task)
        judged = _judge(home, task, package, load_predictor(package), frames, params)
        notes = (*(check.statement for check in checks), whether_it_may_train(home, task, data, frames))
        result = _result(version, package, data, judged, params, notes)
        result |= {"task": task, "left_out": left_out(home, task, data)}
        folder = report_folder(workspace, task, version, data.batch or digest[:12])
        _write(folder, result, judged, version, params)
    _log(workspace, task, version, result, folder, {"data": digest, "expert_labels": hash_of(labels)})
    return {**result, "report": str(folder / "index.html")}


def chosen_version(registry: Registry, name: str, *, number: int | None, alias: str | None) -> ModelVersion:
    """The version by its number or alias, the champion unless given; ``StateError`` when there is none."""
    if number is not None and alias is not None:
        raise ParameterError(expected="--version or --alias", got="both", hint="one of them")
    if number is None:
        return _by_alias(registry, name, alias or "champion")
    known = registry.versions(name)
    found = next((version for version in known if version.version == number), None)
    if found is None:
        raise StateError(
            expected=f"version {number} of {name}",
            got=", ".join(str(version.version) for version in known) or "none",
            hint="`ctloop register`",
        )
    return found


def report_folder(workspace: Workspace, task: Task, version: ModelVersion, data: str) -> Path:
    """index.html, result.json, per_patient.parquet and the cines of a segmentation."""
    return workspace.reports / "external-test" / f"{task}-{version.version}-{data}"


def _by_alias(registry: Registry, name: str, alias: str) -> ModelVersion:
    aliases: tuple[Alias, ...] = ("champion", "challenger", "previous", "shadow")
    for known in aliases:
        if alias == known:
            found = registry.by_alias(name, known)
            if found is not None:
                return found
            raise StateError(
                expected=f"a {alias} of {name}", got="none", hint="--version N, or `ctloop register`"
            )
    raise ParameterError(expected=f"an alias among {', '.join(aliases)}", got=repr(alias), hint="champion")


def _training_record(workspace: Workspace, task: Task, package: Path) -> TrainingRecord:
    folder = package / "lineage"
    lineage = json.loads((folder / "lineage.json").read_text())
    lock = yaml.safe_load(_text(folder / "dvc.lock")) or {}
    ingested = lock.get("stages", {}).get(f"ingest@{task}", {}).get("params", {})
    labels = json.loads(_text(folder / "labels.json") or "{}")
    return TrainingRecord(
        patients=tuple(lineage["training_patients"]),
        pseudonym_key=str(ingested.get("data/batches.yaml", {}).get("pseudonym_key", "")),
        label_sha256={frame: str(sidecar["label_sha256"]) for frame, sidecar in labels.items()},
        scans=frames_table(workspace, task),
    )


def _judge(
    home: Workspace,
    task: Task,
    package: Path,
    predictor: Predictor,
    frames: pd.DataFrame,
    params: EvaluateParams,
) -> Judged:
    from components.adapters.blosc_store import load_volume

    folder = home.prepared(task) / "frames"

    def load(frame: str) -> Volume:
        return load_volume(folder / f"{frame}.b2nd")

    if task == "segmentation":
        return judge_segmentation(home, predictor, frames, load, params, title="external test")
    calibration = {"temperature": {}, "thresholds": {}, "source": "not named"}
    calibration |= json.loads((package / "calibration.json").read_text())
    return judge_classification(home, predictor, frames, load, params, calibration, title="external test")


def _result(
    version: ModelVersion,
    package: Path,
    data: ExternalData,
    judged: Judged,
    params: EvaluateParams,
    notes: tuple[str, ...],
) -> dict[str, Any]:
    """Held-out patients of the package who are in the data too count on this side only."""
    evaluation = judged.evaluation
    path = package / "per_patient.parquet"
    held_out = read_parquet(path) if path.is_file() else pd.DataFrame({"patient_id": []})
    shared = held_out["patient_id"].isin(evaluation.per_patient["patient_id"])
    apart = held_out[~shared]
    return {
        "model_version": subject_of(version),
        "package_hash": version.package_hash,
        "source": data.title,
        "patients": evaluation.metrics["patients"],
        "held_out_patients": int(apart["patient_id"].nunique()),
        "shared_held_out": int(held_out[shared]["patient_id"].nunique()),
        "held_out_failed": _failed_at_home(package),
        "drop": judged.drops(apart, params.intervals),
        "leak_checks": list(notes),
        "metrics": evaluation.metrics,
    }


def _failed_at_home(package: Path) -> int:
    """Held-out frames that the package's own evaluation could not predict."""
    return int(json.loads(_text(package / "metrics.json") or "{}").get("frames_failed", 0))


def _write(
    folder: Path, result: dict[str, Any], judged: Judged, version: ModelVersion, params: EvaluateParams
) -> None:
    with whole_folder(folder) as unfinished:
        judged.write_report(
            unfinished,
            heading=f"External test: {result['source']}",
            eyebrow=f"ctloop external-test · model {subject_of(version)}",
            params=params.intervals,
            external=result,
        )
        judged.evaluation.per_patient.to_parquet(unfinished / "per_patient.parquet", index=False)
        write_json(unfinished / "result.json", result)


def _log(
    workspace: Workspace,
    task: Task,
    version: ModelVersion,
    result: Mapping[str, Any],
    folder: Path,
    hashes: Mapping[str, str],
) -> None:
    from components.adapters.mlflow_job_run import log_job_run

    log_job_run(
        uri=workspace.mlflow_uri,
        artifacts=workspace.mlflow_artifacts,
        experiment=f"ctloop-{task}/external-test",
        name=f"version {version.version} on {result['source']}",
        tags={
            "model_version": subject_of(version),
            "package_hash": version.package_hash,
            **{f"{name}_sha256": value for name, value in hashes.items()},
        },
        metrics=_numbers(result),
        folder=folder,
    )


def _numbers(result: Mapping[str, Any]) -> dict[str, float]:
    """The drops with their ends, and how many patients they rest on; what is unknown is left out."""
    numbers = {
        f"{part}/{row['metric']}/{row['label']}/{end}": row[part][end]
        for row in result["drop"]
        for part in ("external", "drop")
        for end in ("value", "low", "high")
    }
    counts = {name: float(result[name]) for name in ("patients", "held_out_patients")}
    return {name: float(value) for name, value in numbers.items() if value is not None} | counts


def headline(result: Mapping[str, Any]) -> str:
    """One line for a person."""
    judged = JudgedModel if result["task"] == "segmentation" else JudgedClassifier
    metric, label, words = judged.headline
    mean = next((row for row in result["drop"] if (row["metric"], row["label"]) == (metric, label)), None)
    if mean is None:
        return f"nothing in common with the package's own test; {result['patients']} patients judged"
    ends = mean["drop"]
    low, high = (f"{ends[end]:+.3f}" if ends[end] is not None else "?" for end in ("low", "high"))
    return (
        f"{words} {mean['external']['value']:.3f} on {mean['external']['patients']} patients, "
        f"{mean['held_out']['value']:.3f} on its own held-out {mean['held_out']['patients']}: "
        f"drop {ends['value']:+.3f} ({low} to {high})"
    )


def _text(path: Path) -> str:
    return path.read_text() if path.is_file() else ""
