"""The second half of ``prepare``: expert labels on the prepared grid, or as one table of findings."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from components.adapters.blosc_store import load_geometry, load_label_map, save_label_map
from components.adapters.whole_file import write_whole
from components.cohort.labels import LabelSidecar
from components.errors import InputError
from components.operations.prepare_frame import prepare_labels
from components.volume.geometry import Geometry
from components.volume.volume import LabelMap
from pipelines.prepared_record import PreparedRecord, content_key
from pipelines.workspace import Workspace

Reasons = dict[str, str]
"""Frame or case → why its label cannot be used."""


def prepare_label_maps(workspace: Workspace, names: tuple[str, ...], keys: Mapping[str, str]) -> Reasons:
    """Write data/segmentation/labels; an accepted answer wins over a label that came with the scan.

    Args:
        workspace: with frames already prepared.
        names: the structures, in the order of their values from 1.
        keys: prepared frame → hash of what decides its grid.
    """
    folder = workspace.labels("segmentation")
    folder.mkdir(parents=True, exist_ok=True)
    record, refused = PreparedRecord(folder), Reasons()
    for frame, frame_key in keys.items():
        label = chosen_label(workspace, frame, ".b2nd")
        if label is None:
            continue
        sidecar = label.with_name(f"{frame}.sidecar.json").read_text()
        key = content_key(frame_key, _sha256(label), sidecar, names)
        result = record.result(frame, key)
        if result is None or not (folder / f"{frame}.sidecar.json").exists():
            result = _prepare_one(workspace, names, frame, label, sidecar)
            record.put(frame, key, result)
        if "refused" in result:
            refused[frame] = result["refused"]
    _keep(folder, [name for frame in keys if frame not in refused for name in _names(workspace, frame)])
    record.close()
    return refused


def prepare_findings(workspace: Workspace, names: tuple[str, ...], cases: Iterable[str]) -> Reasons:
    """Write data/classification/labels: findings.parquet, NaN = unknown, and a sidecar per case."""
    folder = workspace.labels("classification")
    folder.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, Any]] = []
    refused = Reasons()
    for case in sorted(set(cases)):
        label = chosen_label(workspace, case, ".json", task="classification")
        if label is None:
            continue
        try:
            rows.append({"case_id": case, **_findings(label, names)})
            sidecar = LabelSidecar.from_json(label.with_name(f"{case}.sidecar.json").read_text())
        except InputError as error:
            refused[case] = str(error)
            continue
        write_whole(folder / f"{case}.sidecar.json", sidecar.to_json())
    _keep(folder, [f"{row['case_id']}.sidecar.json" for row in rows] + ["findings.parquet"])
    columns = ["case_id", *names]
    table = pd.DataFrame(rows, columns=columns).astype(dict.fromkeys(names, "float64"))
    write_whole(folder / "findings.parquet", table.astype({"case_id": "object"}).to_parquet(index=False))
    return refused


def chosen_label(workspace: Workspace, name: str, suffix: str, *, task: Any = "segmentation") -> Path | None:
    """The label file of ``name`` that counts; a label without its sidecar is not yet there."""
    for folder in (workspace.answers(task), workspace.ingested(task) / "labels"):
        label = folder / f"{name}{suffix}"
        if label.exists() and (folder / f"{name}.sidecar.json").exists():
            return label
    return None


def _prepare_one(
    workspace: Workspace, names: tuple[str, ...], frame: str, label: Path, sidecar: str
) -> dict[str, str]:
    folder = workspace.labels("segmentation")
    try:
        LabelSidecar.from_json(sidecar)
        native = load_geometry(workspace.ingested("segmentation") / "volumes" / f"{frame}.b2nd")
        grid = load_geometry(workspace.prepared("segmentation") / "frames" / f"{frame}.b2nd")
        save_label_map(folder / f"{frame}.b2nd", _on(grid, load_label_map(label), native, names))
    except InputError as error:
        return {"refused": str(error)}
    write_whole(folder / f"{frame}.sidecar.json", sidecar)
    return {"file": f"{frame}.b2nd"}


def _on(grid: Geometry, label_map: LabelMap, native: Geometry, names: tuple[str, ...]) -> LabelMap:
    if not label_map.geometry.matches(native, tolerance_mm=0.05):
        raise InputError(
            expected=f"a label map on the scan's grid {native.shape}",
            got=f"a grid of {label_map.geometry.shape}, or at another place",
            hint="answering with a label map drawn on the exported scan",
        )
    return prepare_labels(label_map, names, grid)


def _findings(path: Path, names: tuple[str, ...]) -> dict[str, float]:
    values = json.loads(path.read_text())
    if not isinstance(values, dict) or not all(v in (0, 1, None) for v in values.values()):
        raise InputError(
            expected="findings of 0, 1 or null", got=f"other values in {path.name}", hint="answering it again"
        )
    return {name: float("nan") if values.get(name) is None else float(values[name]) for name in names}


def _names(workspace: Workspace, frame: str) -> tuple[str, ...]:
    there = chosen_label(workspace, frame, ".b2nd") is not None
    return (f"{frame}.b2nd", f"{frame}.sidecar.json") if there else ()


def _keep(folder: Path, names: Iterable[str]) -> None:
    """Remove every other file: a label that was withdrawn must not train."""
    kept = {*names, "keys.json"}
    for path in folder.iterdir():
        if path.name not in kept:
            path.unlink()


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
