"""The report of a turn of the loop: predictions on the real slices, what was turned away, and what is asked."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from components.adapters.parquet import read_parquet
from components.cohort.labels import LabelSidecar
from components.cohort.split import Split
from components.cohort.task import Task
from components.volume.turned import AS_STATED
from pipelines.books import drift_rows, gate_rows
from pipelines.figures.canvas import png
from pipelines.figures.slices import Panel, draw_slices
from pipelines.figures.windows import WINDOWS_HU
from pipelines.monitor import report_folder
from pipelines.pseudo_manifest import read_manifest
from pipelines.render import render
from pipelines.requests import list_requests
from pipelines.workspace import Workspace

if TYPE_CHECKING:
    from components.models.prediction import Predictor
    from pipelines.composition import Services
    from pipelines.loop import TaskOutcome

_SHOWN = 12


def write_loop_report(services: Services, outcomes: Sequence[TaskOutcome]) -> Path:
    """Write ``.ctloop/reports/loop/index.html`` and its ``summary.json``; the page's path."""
    folder = services.workspace.reports / "loop"
    folder.mkdir(parents=True, exist_ok=True)
    sections = [_section(services, outcome) for outcome in outcomes]
    requests = list_requests(services.store)
    page = folder / "index.html"
    page.write_text(render("loop.html", sections=sections, requests=requests))
    kept = (
        "task",
        "cases",
        "patients",
        "labelled_by",
        "quarantine",
        "pseudo",
        "gates",
        "drift",
        "novelty",
        "note",
    )
    summary = {"tasks": [{key: section[key] for key in kept} for section in sections], "requests": requests}
    (folder / "summary.json").write_text(json.dumps(summary, indent=1, sort_keys=True) + "\n")
    return page


def _section(services: Services, outcome: TaskOutcome) -> dict[str, Any]:
    workspace, task = services.workspace, outcome.task
    frames = read_parquet(workspace.prepared(task) / "frames.parquet")
    split = Split.from_json(workspace.split(task).read_text())
    in_use = outcome.judged is not None or bool(outcome.watched)
    return {
        "task": task,
        "note": outcome.note,
        "cases": int(frames["case_id"].nunique()),
        "patients": int(frames["patient_id"].nunique()),
        "trained": len(split.patients("train")),
        "audited": len(split.patients("test")),
        "labelled_by": _annotators(workspace, task),
        "quarantine": json.loads((workspace.ingested(task) / "quarantine.json").read_text()),
        "pseudo": _pseudo_labels(workspace, task),
        "gates": gate_rows(services, task),
        "drift": drift_rows(services, task),
        "novelty": _novelty(services, outcome),
        "pictures": _pictures(services, task, frames) if in_use else [],
    }


def _annotators(workspace: Workspace, task: Task) -> dict[str, int]:
    """Who made the expert labels, and how many of them: who stands behind a model must be said."""
    sidecars = (LabelSidecar.from_json(p.read_text()) for p in workspace.labels(task).glob("*.sidecar.json"))
    who = Counter(found.annotator or "unnamed" for found in sidecars if found.provenance == "expert")
    return dict(sorted(who.items()))


def _pseudo_labels(workspace: Workspace, task: Task) -> dict[str, Any]:
    """Who taught, how many frames, and why the others are not trained on; empty without a teacher."""
    manifest = read_manifest(workspace.pseudo(task))
    if manifest is None or manifest.teacher is None:
        return {}
    apart = {frame: "; ".join(entry["reasons"]) for frame, entry in manifest.implausible.items()}
    return {
        "teacher": manifest.teacher,
        "labelled": len(manifest.labelled),
        "turned": sum(
            entry.get("orientation", AS_STATED) != AS_STATED for entry in manifest.labelled.values()
        ),
        "jumping": sum(jump["measured"] > jump["bound"] for jump in manifest.jumps.values()),
        "apart": [
            {"frame": frame, "reason": reason} for frame, reason in sorted((apart | manifest.refused).items())
        ],
    }


def _novelty(services: Services, outcome: TaskOutcome) -> list[dict[str, Any]]:
    """Cases of the watched batches, the least familiar first."""
    tables = [
        read_parquet(report_folder(services.workspace, outcome.task, batch) / "scorecards.parquet")
        for batch in outcome.watched
    ]
    if not tables:
        return []
    cases = pd.concat(tables).groupby(["case_id", "patient_id", "batch"], as_index=False)["novelty"].max()
    ranked = pd.DataFrame(cases).sort_values("novelty", ascending=False, ignore_index=True)
    return [{str(key): value for key, value in row.items()} for row in ranked.to_dict("records")]


def _pictures(services: Services, task: Task, frames: pd.DataFrame) -> list[dict[str, Any]]:
    """One picture per case with what the model in use says of its first frame."""
    from components.adapters.blosc_store import load_volume

    version = services.version_in_use(task)
    predictor, _ = services.predictor(version)
    folder = services.workspace.prepared(task) / "frames"
    firsts = frames.sort_values("frame_id").drop_duplicates("case_id").head(_SHOWN)
    pictures = []
    for row in firsts.to_dict("records"):
        volume = load_volume(folder / f"{row['frame_id']}.b2nd")
        prediction = predictor.predict(volume)
        panel: Panel = (f"{row['case_id']}, batch {row['batch']}", volume, prediction.labels)
        pictures.append(
            {
                "frame": row["frame_id"],
                "picture": png(draw_slices([panel], window_hu=WINDOWS_HU[task])),
                "says": _says(predictor, prediction.outputs, prediction.probabilities),
                "uncertainty": prediction.uncertainty,
            }
        )
    return pictures


def _says(predictor: Predictor, outputs: Any, probabilities: Any) -> str:
    if predictor.task == "segmentation":
        return ", ".join(
            f"{name.removesuffix('_ml').replace('_', ' ')} {ml:.0f} ml" for name, ml in outputs.items()
        )
    likely = sorted(probabilities.items(), key=lambda item: -item[1])[:5]
    return ", ".join(f"{name.replace('_', ' ')} {p:.2f}" for name, p in likely)
