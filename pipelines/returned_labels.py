"""How a registered version does on labels that experts returned, of patients that neither taught nor judged it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from components.adapters.parquet import read_parquet
from components.adapters.whole_file import write_whole
from components.cohort.labels import LabelSidecar
from components.cohort.task import Task
from components.drift.coverage import PromiseKept
from components.metrics.overlap import dice_per_structure
from components.models.prediction import ForetellsQuality, FramePrediction, Predictor
from components.operations.prepare_frame import prepare_labels
from components.operations.scoring import score_cases
from components.registry.registry import ModelVersion
from components.scorecard.columns import QUALITY
from components.scorecard.conformal_sets import LEVEL as SET_LEVEL
from components.volume.volume import Volume
from pipelines.composition import Services
from pipelines.gate import training_patients
from pipelines.label_names import structure_names
from pipelines.prepared_cases import prepared_volume
from pipelines.workspace import Workspace

_COLUMNS = ("case_id", "patient_id", "labels", "answered_at", "random", "quality", "uncertainty", "promises")
PREDICTED_QUALITY = "predicted quality"


@dataclass(frozen=True, kw_only=True)
class _Answered:
    """A case with answers: ``labels`` names them by hash, ``random``: nobody chose it for how it looks."""

    case_id: str
    patient_id: str
    frames: tuple[str, ...]
    labels: str
    answered_at: str
    random: bool


def returned_labels(services: Services, task: Task, version: ModelVersion) -> pd.DataFrame:
    """One row per case, in the order of answering; a case is judged once per version and answer.

    ``quality`` is the case's mean Dice over its answered frames (classification: the share of the known findings that
    are called rightly), ``promises`` what the version promised of it, as JSON: name → [level, kept]. The table lies in
    ``.ctloop/reports/returned``.
    """
    workspace = services.workspace
    file = workspace.reports / "returned" / f"{version.name}-{version.version}.parquet"
    known = read_parquet(file) if file.is_file() else pd.DataFrame(columns=list(_COLUMNS))
    cases = _answered(services, task, services.registry.fetch(version))
    missing = [case for case in cases if case.labels not in set(known["labels"])]
    if missing:
        judged = _judge(services, task, version, missing)
        known = pd.concat([table for table in (known, judged) if not table.empty] or [judged])
        write_whole(file, known.to_parquet(index=False))
    wanted = known[known["labels"].isin([case.labels for case in cases])]
    return wanted.sort_values(["answered_at", "case_id"], ignore_index=True)


def promises_of(table: pd.DataFrame, *, chosen_too: bool) -> list[PromiseKept]:
    """What ``judge_coverage`` reads; without ``chosen_too`` of randomly drawn cases alone."""
    rows = table if chosen_too else table[table["random"].astype(bool)]
    return [
        PromiseKept(promise=name, level=float(level), patient_id=str(patient), kept=bool(kept))
        for patient, promises in zip(rows["patient_id"], rows["promises"], strict=True)
        for name, (level, kept) in sorted(json.loads(promises).items())
    ]


def _answered(services: Services, task: Task, package: Path) -> list[_Answered]:
    workspace = services.workspace
    requests = {request.id: request for request in services.store.requests(status="answered", task=task)}
    sidecars = {
        path.name.removesuffix(".sidecar.json"): LabelSidecar.from_json(path.read_text())
        for path in sorted(workspace.answers(task).glob("*.sidecar.json"))
    }
    if not sidecars:
        return []
    table = read_parquet(workspace.prepared(task) / "frames.parquet")
    name = "frame_id" if task == "segmentation" else "case_id"
    table = table[table[name].isin(sidecars) & ~table["patient_id"].isin(_own_patients(package))]
    found = []
    for case, rows in table.groupby("case_id", sort=True):
        names = sorted(set(rows[name].astype(str)))
        asked = [requests.get(sidecars[key].request_id or "") for key in names]
        found.append(
            _Answered(
                case_id=str(case),
                patient_id=str(rows["patient_id"].iloc[0]),
                frames=tuple(sorted(rows["frame_id"].astype(str))),
                labels=",".join(f"{key}:{sidecars[key].label_sha256[:16]}" for key in names),
                answered_at=max((one.answered_at or "" for one in asked if one), default=""),
                random=all(
                    one is not None and (one.reason == "audit" or one.arm == "random") for one in asked
                ),
            )
        )
    return found


def _own_patients(package: Path) -> set[str]:
    """Patients that the version was trained on, or whose truth its intervals were learned from."""
    per_patient = package / "per_patient.parquet"
    judged = set(read_parquet(per_patient)["patient_id"]) if per_patient.is_file() else set()
    return {*training_patients(package), *judged}


def _judge(services: Services, task: Task, version: ModelVersion, cases: Sequence[_Answered]) -> pd.DataFrame:
    """Frames of these cases are predicted again: what the answers are compared with must be this version's.

    Case by case, so that the label maps of one are held at a time.
    """
    workspace = services.workspace
    predictor, package = services.predictor(version)
    table = read_parquet(workspace.prepared(task) / "frames.parquet")
    load = prepared_volume(workspace, task)
    judge = _dice_of(workspace) if task == "segmentation" else _findings_of(workspace, package)
    rows = []
    for case in cases:
        cards, said = score_and_say(predictor, table[table["case_id"] == case.case_id], load)
        if not said.keys() >= set(case.frames):
            continue  # the monitor says why; it is tried again
        quality, promises = judge(case, {frame: said[frame] for frame in case.frames})
        promises |= _interval(cards, quality, predictor)
        rows.append(
            {
                **{name: getattr(case, name) for name in _COLUMNS[:5]},
                "quality": quality,
                "uncertainty": float(cards["uncertainty"].mean()),
                "promises": json.dumps(promises, sort_keys=True),
            }
        )
    return pd.DataFrame(rows, columns=list(_COLUMNS))


def score_and_say(
    predictor: Predictor, frames: pd.DataFrame, load: Callable[[str], Volume]
) -> tuple[pd.DataFrame, dict[str, FramePrediction]]:
    """Scorecards, and frame_id → answer of the frames that can be predicted; all stay in memory, so few at a time."""
    said: dict[str, FramePrediction] = {}
    cards = score_cases(
        predictor, frames, load, on_prediction=said.__setitem__, on_error=lambda frame, error: None
    )
    return cards, said


_Promises = dict[str, tuple[float, bool]]
_Judge = Callable[[_Answered, Mapping[str, FramePrediction]], tuple[float, _Promises]]


def _interval(cards: pd.DataFrame, quality: float, predictor: Predictor) -> _Promises:
    fit = predictor.quality if isinstance(predictor, ForetellsQuality) else None
    if fit is None or f"{QUALITY}_low" not in cards or not np.isfinite(quality):
        return {}
    low, high = float(cards[f"{QUALITY}_low"].iloc[0]), float(cards[f"{QUALITY}_high"].iloc[0])
    return {PREDICTED_QUALITY: (fit.level, low <= quality <= high)} if np.isfinite([low, high]).all() else {}


def _dice_of(workspace: Workspace) -> _Judge:
    from components.adapters.blosc_store import load_geometry, load_label_map

    structures = structure_names(workspace)

    def judge(case: _Answered, said: Mapping[str, FramePrediction]) -> tuple[float, _Promises]:
        scores = []
        for frame, prediction in said.items():
            assert prediction.labels is not None
            grid = load_geometry(workspace.prepared("segmentation") / "frames" / f"{frame}.b2nd")
            answer = load_label_map(workspace.answers("segmentation") / f"{frame}.b2nd")
            dice = dice_per_structure(prediction.labels, prepare_labels(answer, structures, grid))
            known = np.array(list(dice.values()))
            scores.append(float(known[np.isfinite(known)].mean()) if np.isfinite(known).any() else np.nan)
        return float(np.nanmean(scores)) if np.isfinite(scores).any() else float("nan"), {}

    return judge


def _findings_of(workspace: Workspace, package: Path) -> _Judge:
    thresholds = _thresholds(package)

    def judge(case: _Answered, said: Mapping[str, FramePrediction]) -> tuple[float, _Promises]:
        answer = json.loads((workspace.answers("classification") / f"{case.case_id}.json").read_text())
        prediction = said[case.frames[0]]
        known = {
            name: int(value)
            for name, value in answer.items()
            if value is not None and name in prediction.probabilities
        }
        right = [
            (prediction.probabilities[name] >= thresholds.get(name, 0.5)) == (value == 1)
            for name, value in known.items()
        ]
        words = {0: "absent", 1: "present"}
        promises = {
            f"set of {name}, {words[value]}": (SET_LEVEL, prediction.sets[name] in (words[value], "either"))
            for name, value in known.items()
            if name in prediction.sets
        }
        return float(np.mean(right)) if right else float("nan"), promises

    return judge


def _thresholds(package: Path) -> dict[str, Any]:
    tree: dict[str, Any] = json.loads((package / "calibration.json").read_text())
    return dict(tree.get("thresholds", {}))
