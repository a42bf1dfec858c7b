"""The champion's package as a pilot report reads it: what judged it, and how."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from components.adapters.parquet import read_parquet
from components.errors import StateError
from components.models.description import ModelDescription
from components.operations.finding_scores import TRUTH, FindingScores
from components.operations.register_model import subject_of
from components.registry.package import LINEAGE
from components.registry.registry import ModelVersion, Registry
from pipelines.workspace import Workspace

AUROC, MACRO = "auroc", "macro"


@dataclass(frozen=True, kw_only=True, eq=False)
class ModelEvidence:
    """Args:
    version, package: of the champion.
    table: of per_patient.parquet: a row per judged study.
    metrics, calibration: what evaluate wrote.
    predicted: the findings that the model predicts.
    """

    version: ModelVersion
    package: Path
    table: pd.DataFrame
    metrics: Mapping[str, Any]
    calibration: Mapping[str, Any]
    predicted: tuple[str, ...]

    @property
    def subject(self) -> str:
        return subject_of(self.version)

    @property
    def judged_who_trained(self) -> int | None:
        """Patients who judge the version and trained it; ``None`` where the package names nobody who did."""
        path = self.package / LINEAGE / "lineage.json"
        trained = json.loads(path.read_text()).get("training_patients") if path.is_file() else None
        return None if not trained else len(set(self.table["patient_id"].astype(str)) & set(trained))

    @cached_property
    def scores(self) -> FindingScores:
        """Of the findings that can be judged."""
        known = [name for name in self.predicted if f"{TRUTH}{name}" in self.table]
        return FindingScores.of(self.table, known, self.calibration["thresholds"]).judged()


def champion_evidence(registry: Registry, name: str) -> ModelEvidence:
    """``StateError`` without a champion, or where no held-out patient judged it."""
    version = registry.by_alias(name, "champion")
    if version is None:
        raise StateError(
            expected=f"a champion of {name}",
            got="none",
            hint="`ctloop loop`, or `ctloop register`, `ctloop gate` and `ctloop promote` with --task classification",
        )
    package = registry.fetch(version)
    path = package / "per_patient.parquet"
    table = read_parquet(path) if path.is_file() else pd.DataFrame()
    found = ModelEvidence(
        version=version,
        package=package,
        table=table,
        metrics=json.loads((package / "metrics.json").read_text()),
        calibration={"thresholds": {}, "source": "not named"}
        | json.loads((package / "calibration.json").read_text()),
        predicted=ModelDescription.from_json((package / "model.json").read_text())[0].label_names,
    )
    if table.empty or not found.scores.findings:
        raise StateError(
            expected=f"an evaluation of {subject_of(version)} by held-out patients with an expert's findings",
            got=f"{len(table)} studies that judge no finding",
            hint="`ctloop labels import` of the answers, then `dvc repro` up to evaluate and `ctloop register`",
        )
    return found


def external_results(workspace: Workspace, subject: str) -> dict[Path, dict[str, Any]]:
    """result.json of each external test of this version."""
    name, number = subject.rsplit("/", 1)
    task = name.removeprefix("ctloop-")
    paths = sorted((workspace.reports / "external-test").glob(f"{task}-{number}-*/result.json"))
    read = {path: json.loads(path.read_text()) for path in paths}
    return {path: result for path, result in read.items() if result["model_version"] == subject}


def auroc_drop(result: Mapping[str, Any]) -> dict[str, Any] | None:
    """Of the macro AUROC, with the number of external patients as ``patients``."""
    drop = next((r["drop"] for r in result["drop"] if (r["metric"], r["label"]) == (AUROC, MACRO)), None)
    return drop and {**drop, "patients": result["patients"]}
