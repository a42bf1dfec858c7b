"""A model package: one folder with all that is needed to use, judge and trace a model.

    model.json            input contract, label names, architecture, provenance of training
    label_set.json        each label that it was trained on: patient, site, provenance, hash, what it shows
    weights.safetensors   weights, without pickle
    calibration.json      temperature and threshold per finding, with their n and source
    quality.json          what judged cases taught about the quality on other cases, with their n
    metrics.json          held-out metrics with intervals
    reference.parquet     scorecards of the held-out patients: the reference window for drift
    per_patient.parquet   held-out metrics of each patient
    lineage/              lineage.json, dvc.lock, params.yaml, dirty.diff: how it came about
    dossier/              model card and quality dossier, see ``components.registry.dossier``

The package hash covers everything but ``lineage/`` and ``dossier/``: the same model registered from another commit,
or beside another champion, is the same package. ``archive_hash`` covers these too, and is verified with it.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from components.errors import StateError

LINEAGE, DOSSIER = "lineage", "dossier"
REQUIRED = ("model.json", "weights.safetensors", "calibration.json", "metrics.json", "reference.parquet")
# What MLflow puts beside a model; a package is recognised with or without it.
MLFLOW_FILES = frozenset(
    {
        "MLmodel",
        "conda.yaml",
        "python_env.yaml",
        "requirements.txt",
        "registered_model_meta",
        "pyfunc_model.py",
    }
)


def assemble_package(
    folder: Path,
    *,
    model: Path,
    evaluation: Path,
    metrics: Path,
    lineage: Mapping[str, Any],
    archived: Mapping[str, str] | None = None,
) -> str:
    """Copy a model's parts into ``folder`` (which must not exist yet) and return the package hash.

    Args:
        model: folder with model.json and weights.safetensors.
        evaluation: folder with calibration.json, reference.parquet, per_patient.parquet; its figures stay.
        metrics: the metrics file.
        lineage: JSON-able; becomes lineage/lineage.json.
        archived: file name → text, kept under lineage/ (lock file, parameters, diff).

    Raises ``StateError`` when a part is missing.
    """
    folder.mkdir(parents=True)
    for source in (model, evaluation):
        for path in sorted(item for item in source.glob("*") if item.is_file()):
            shutil.copyfile(path, folder / path.name)
    if metrics.is_file():
        shutil.copyfile(metrics, folder / "metrics.json")
    _require(folder)
    (folder / LINEAGE).mkdir()
    texts = {"lineage.json": json.dumps(dict(lineage), indent=1, sort_keys=True) + "\n", **(archived or {})}
    for name, text in texts.items():
        (folder / LINEAGE / name).write_text(text)
    return package_hash(folder)


def package_hash(folder: Path) -> str:
    """sha256 over the sorted (relative path, sha256 of content) of the package, without lineage and dossier."""
    return _hash(folder, (path for path in _files(folder) if path.parts[0] not in (LINEAGE, DOSSIER)))


def archive_hash(folder: Path) -> str:
    """The same over all files, lineage and dossier included."""
    return _hash(folder, _files(folder))


def verify_package(folder: Path, expected_hash: str) -> None:
    """Raise ``StateError`` unless ``folder`` is a whole package with this hash."""
    _require(folder)
    found = package_hash(folder)
    if found != expected_hash:
        raise StateError(
            expected=f"a package with hash {expected_hash[:12]}",
            got=f"{found[:12]}: a file was changed, added or lost",
            hint="registering the model again, or restoring the artifact store from its backup",
        )


def _require(folder: Path) -> None:
    missing = [name for name in REQUIRED if not (folder / name).is_file()]
    if missing:
        raise StateError(
            expected="a whole package",
            got=f"nothing at {', '.join(missing)}",
            hint="running `dvc repro` up to evaluate",
        )


def _files(folder: Path) -> list[Path]:
    paths = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return sorted((path for path in paths if str(path) not in MLFLOW_FILES), key=Path.as_posix)


def _hash(folder: Path, paths: Iterable[Path]) -> str:
    total = hashlib.sha256()
    for path in paths:
        with (folder / path).open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
        total.update(f"{path.as_posix()}\0{content}\n".encode())
    return total.hexdigest()
