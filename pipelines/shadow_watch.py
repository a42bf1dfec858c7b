"""The version with the alias ``shadow`` scores what the model in use scores; the comparison is kept."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from components.adapters.parquet import read_parquet
from components.adapters.whole_file import write_whole
from components.cohort.task import Task
from components.errors import StateError
from components.models.prediction import Predictor
from components.operations.compare_shadow import COMPARED, call_agreement, label_agreement, shadow_summary
from components.operations.monitor_window import MonitorParams
from components.operations.register_model import subject_of
from components.registry.registry import ModelVersion
from pipelines.composition import MODEL_NAMES, Services
from pipelines.evaluate_params import EvaluateParams
from pipelines.keep_scores import scores_of
from pipelines.params import load_section
from pipelines.prepared_cases import prepared_volume
from pipelines.progress import bar
from pipelines.returned_labels import returned_labels, score_and_say


@dataclass(frozen=True, kw_only=True)
class Pair:
    """The version in use and the one that is watched beside it."""

    champion: ModelVersion
    shadow: ModelVersion


def shadow_pair(services: Services, task: Task) -> Pair | None:
    """``None`` without a shadow, or when it is in use by now."""
    shadow = services.registry.by_alias(MODEL_NAMES[task], "shadow")
    if shadow is None:
        return None
    champion = services.version_in_use(task)
    return None if champion.version == shadow.version else Pair(champion=champion, shadow=shadow)


def watch_shadow(services: Services, task: Task, batch: str) -> pd.DataFrame | None:
    """Score a monitored batch with the shadow too and keep, per case, how the two versions agree.

    Scorecards keep no label maps: of segmentation both versions draw ``monitor.frames_per_case`` frames of each case
    again. ``None`` without a shadow; a batch that was compared before is not compared again.
    """
    pair = shadow_pair(services, task)
    if pair is None:
        return None
    file = _folder(services, task, pair) / f"{batch}.parquet"
    if file.is_file():
        return read_parquet(file)
    workspace = services.workspace
    frames = read_parquet(workspace.prepared(task) / "frames.parquet")
    frames = frames[frames["batch"] == batch]
    versions = (pair.champion, pair.shadow)
    loaded = [services.predictor(version) for version in versions]
    load = prepared_volume(workspace, task)
    cards = [
        scores_of(
            workspace, task, version, predictor, frames, load, progress=bar(f"{task} {batch} by {subject_of(version)}")
        )[0].assign(case_id=lambda table: table["case_id"].astype(str))
        for version, (predictor, _) in zip(versions, loaded, strict=True)
    ]  # fmt: skip
    if task == "segmentation":
        few = load_section(MonitorParams, workspace.params, "monitor", task).frames_per_case
        agreement = _drawn_alike(services, task, [predictor for predictor, _ in loaded], _first(frames, few))
    else:
        agreement = _called_alike(cards, [package for _, package in loaded])
    table = _together(cards[0], cards[1], agreement)
    write_whole(file, table.to_parquet(index=False))
    return table


def shadow_report(services: Services, task: Task) -> dict[str, Any]:
    """How the shadow has done beside the version in use so far, and on the labels that experts have returned.

    Raises ``StateError`` without a shadow.
    """
    pair = shadow_pair(services, task)
    if pair is None:
        raise StateError(
            expected=f"a shadow of {MODEL_NAMES[task]}",
            got="none",
            hint="`ctloop shadow --version N --reason …`",
        )
    files = sorted(_folder(services, task, pair).glob("*.parquet"))
    tables = [read_parquet(file) for file in files]
    compared = pd.concat(tables) if tables else pd.DataFrame(columns=list(COMPARED))
    intervals = load_section(EvaluateParams, services.workspace.params, "evaluate", task).intervals
    summary = shadow_summary(compared, _returned(services, task, pair), intervals)
    return {"task": task, "champion": subject_of(pair.champion), "shadow": subject_of(pair.shadow), **summary}


def report_text(report: Mapping[str, Any]) -> str:
    """For a person."""
    quality = report["returned"]
    return "\n".join(
        (
            f"{report['shadow']} beside {report['champion']}: {report['cases']} cases, "
            f"{len(report['batches'])} batches",
            f"agreement: {_said(report['agreement'])}",
            f"uncertainty, shadow less champion: {_said(report['uncertainty_difference'])}",
            f"on {report['returned_cases']} cases with returned labels: champion {_said(quality['quality_champion'])}, "
            f"shadow {_said(quality['quality_shadow'])}, difference {_said(quality['quality_difference'])}",
        )
    )


def _folder(services: Services, task: Task, pair: Pair) -> Path:
    return services.workspace.reports / "shadow" / f"{task}-{pair.champion.version}-{pair.shadow.version}"


def _first(frames: pd.DataFrame, few: int) -> pd.DataFrame:
    return frames.sort_values("frame_id").groupby("case_id", sort=True).head(few)


def _drawn_alike(
    services: Services, task: Task, predictors: list[Predictor], frames: pd.DataFrame
) -> dict[str, float]:
    """case_id → mean agreement of its frames; a case that either version cannot draw has none.

    Case by case, so that the label maps of one are held at a time.
    """
    load = prepared_volume(services.workspace, task)
    alike = {}
    for case, rows in frames.groupby("case_id", sort=True):
        champion, shadow = (score_and_say(predictor, rows, load)[1] for predictor in predictors)
        both = sorted(champion.keys() & shadow.keys())
        if both:
            alike[str(case)] = float(
                np.mean([label_agreement(champion[name], shadow[name]) for name in both])
            )
    return alike


def _called_alike(cards: list[pd.DataFrame], packages: list[Path]) -> dict[str, float]:
    own = [
        json.loads((package / "calibration.json").read_text()).get("thresholds", {}) for package in packages
    ]
    rows = [
        {
            str(row["case_id"]): {str(key): value for key, value in row.items()}
            for row in table.to_dict("records")
        }
        for table in cards
    ]
    return {
        case: call_agreement(rows[0][case], rows[1][case], (own[0], own[1]))
        for case in rows[0].keys() & rows[1].keys()
    }


def _together(champion: pd.DataFrame, shadow: pd.DataFrame, agreement: Mapping[str, float]) -> pd.DataFrame:
    """Of the cases that both versions have scored."""
    ours = champion.groupby("case_id", as_index=False).agg(
        patient_id=("patient_id", "first"),
        batch=("batch", "first"),
        uncertainty_champion=("uncertainty", "mean"),
    )
    theirs = shadow.groupby("case_id", as_index=False).agg(uncertainty_shadow=("uncertainty", "mean"))
    table = ours.merge(theirs, on="case_id")
    return table.assign(agreement=table["case_id"].map(agreement).astype(float))[list(COMPARED)]


def _returned(services: Services, task: Task, pair: Pair) -> pd.DataFrame:
    """Cases whose answers judge both versions: of patients that neither was trained on or judged by."""
    first, second = (returned_labels(services, task, version) for version in (pair.champion, pair.shadow))
    columns = ["labels", "patient_id", "quality"]
    return first[columns].merge(second[["labels", "quality"]], on="labels", suffixes=("_champion", "_shadow"))


def _said(interval: Mapping[str, Any] | None) -> str:
    if interval is None:
        return "nothing yet"
    ends = [interval[end] for end in ("low", "high")]
    between = " (no interval)" if None in ends else f" ({ends[0]:.3f} to {ends[1]:.3f})"
    return f"{interval['value']:.3f}{between}, {interval['patients']} patients"
