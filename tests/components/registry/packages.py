"""A model's parts on disk, as train and evaluate leave them, without a real network."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from components.registry.package import assemble_package


def write_parts(folder: Path, *, weights: bytes = b"weights") -> dict[str, Path]:
    """``model``, ``evaluation`` and ``metrics`` under ``folder``."""
    model, evaluation, metrics = folder / "model", folder / "evaluation", folder / "metrics.json"
    (evaluation / "figures").mkdir(parents=True)
    model.mkdir()
    (model / "model.json").write_text("{}")
    (model / "weights.safetensors").write_bytes(weights)
    (evaluation / "calibration.json").write_text("{}")
    (evaluation / "reference.parquet").write_bytes(b"reference")
    (evaluation / "figures" / "dice.png").write_bytes(b"png")
    metrics.write_text(json.dumps({"dice": {"mean": {"value": 0.8, "low": None, "patients": 9}}}))
    return {"model": model, "evaluation": evaluation, "metrics": metrics}


def make_package(
    folder: Path, *, weights: bytes = b"weights", lineage: dict[str, Any] | None = None
) -> tuple[Path, str]:
    """A package folder and its hash."""
    parts = write_parts(folder / "parts", weights=weights)
    package = folder / "package"
    lineage = lineage or {"training_patients": ["a"]}
    return package, assemble_package(package, lineage=lineage, archived={"dvc.lock": "lock"}, **parts)
