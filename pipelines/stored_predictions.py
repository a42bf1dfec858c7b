"""Probabilities of findings that the same model has said of the same frames before: nothing is predicted twice."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pandas as pd

from components.adapters.parquet import read_parquet
from components.adapters.whole_file import write_whole
from components.models.prediction import FramePrediction, Predictor
from components.operations.register_model import subject_of
from components.operations.scoring import reason_of, score_cases
from components.registry.registry import ModelVersion
from components.scorecard.columns import OUTPUT
from pipelines.monitor import report_folder, table_hash
from pipelines.prepared_cases import prepared_volume
from pipelines.progress import bar
from pipelines.unread_studies import TASK
from pipelines.workspace import Workspace

_CONTENT = "content"


def probabilities_of(
    workspace: Workspace,
    frames: pd.DataFrame,
    version: ModelVersion,
    findings: Sequence[str],
    load_predictor: Callable[[], Predictor],
) -> tuple[pd.DataFrame, dict[str, str]]:
    """frame_id → a column per finding, of those that can be predicted; and frame_id → why the others cannot.

    Taken from the monitor's scorecards where they are of this version and these frames, else from what an earlier
    call kept, else predicted now, and kept even if the job is killed half-way.

    Args:
        frames: prepared rows of frames.parquet.
    """
    kept = _Kept(workspace, version, findings)
    known = _from_monitor(workspace, frames, version, findings)
    known = pd.concat([known, kept.of(frames[~frames["frame_id"].isin(known.index)])])
    rest = frames[~frames["frame_id"].isin(known.index)]
    if rest.empty:
        return known, {}
    said, failures = _predict(workspace, rest, findings, load_predictor(), kept)
    return pd.concat([known, said]), failures


def _predict(
    workspace: Workspace, frames: pd.DataFrame, findings: Sequence[str], predictor: Predictor, kept: _Kept
) -> tuple[pd.DataFrame, dict[str, str]]:
    said: dict[str, Mapping[str, float]] = {}
    failures: dict[str, str] = {}

    def see(frame: str, prediction: FramePrediction) -> None:
        said[frame] = {name: float(prediction.probabilities[name]) for name in findings}

    def fail(frame: str, error: Exception) -> None:
        failures[frame] = reason_of(error)

    try:
        score_cases(
            predictor, frames, prepared_volume(workspace, TASK),
            on_prediction=see, on_error=fail, progress=bar("reading list"),
        )  # fmt: skip
    finally:
        table = _table(said, findings)
        kept.add(frames, table)
    return table, failures


class _Kept:
    """What earlier calls predicted with one version, by frame and what is known of it."""

    def __init__(self, workspace: Workspace, version: ModelVersion, findings: Sequence[str]) -> None:
        self._findings = list(findings)
        self._path = workspace.state / "reading-list" / f"{version.package_hash}.parquet"

    def of(self, frames: pd.DataFrame) -> pd.DataFrame:
        """The rows that still hold: of frames whose row has not changed."""
        if not self._path.is_file():
            return _table({}, self._findings)
        table = read_parquet(self._path)
        content = _content(frames)
        holds = table[_CONTENT] == table["frame_id"].map(content)
        return table[holds].set_index("frame_id")[self._findings]

    def add(self, frames: pd.DataFrame, said: pd.DataFrame) -> None:
        if said.empty:
            return
        new = said.assign(**{_CONTENT: _content(frames).reindex(said.index)}).reset_index(names="frame_id")
        if self._path.is_file():
            old = read_parquet(self._path)
            new = pd.concat([old[~old["frame_id"].isin(new["frame_id"])], new], ignore_index=True)
        write_whole(self._path, new.to_parquet(index=False))


def _content(frames: pd.DataFrame) -> pd.Series:
    """frame_id → a hash of all that its row says of the scan and of its prepared grid."""
    stated = frames.drop(columns=["arrival", "reason", "blinded"], errors="ignore")
    hashes = pd.util.hash_pandas_object(stated, index=False).astype(str)
    return pd.Series(hashes.to_numpy(), index=frames["frame_id"].to_numpy(), dtype=object)


def _from_monitor(
    workspace: Workspace, frames: pd.DataFrame, version: ModelVersion, findings: Sequence[str]
) -> pd.DataFrame:
    columns = {f"{OUTPUT}{name}": name for name in findings}
    tables = [_table({}, findings)]
    for batch in sorted(set(frames["batch"])):
        folder = report_folder(workspace, TASK, str(batch))
        if _still_holds(folder, workspace, str(batch), version):
            scored = read_parquet(folder / "scorecards.parquet")
            if set(columns) <= set(scored.columns):
                tables.append(scored.set_index("frame_id")[list(columns)].rename(columns=columns))
    found = pd.concat([table for table in tables if len(table)] or tables)
    return found[found.index.isin(frames["frame_id"])]


def _still_holds(folder: Path, workspace: Workspace, batch: str, version: ModelVersion) -> bool:
    """Whether the monitor's report is of this version and of the batch as it is prepared now."""
    verdict = folder / "verdict.json"
    if not verdict.is_file() or not (folder / "scorecards.parquet").is_file():
        return False
    facts = json.loads(verdict.read_text())
    frames = read_parquet(workspace.prepared(TASK) / "frames.parquet")
    now = table_hash(frames[frames["batch"] == batch])
    return bool(facts["model_version"] == subject_of(version) and facts.get("frames_sha256") == now)


def _table(said: Mapping[str, Mapping[str, float]], findings: Sequence[str]) -> pd.DataFrame:
    return pd.DataFrame(
        [[row[name] for name in findings] for row in said.values()],
        index=list(said), columns=list(findings), dtype=float,
    )  # fmt: skip
