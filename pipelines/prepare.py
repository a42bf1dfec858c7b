"""Stage: every frame in canonical orientation at the target spacing, and the expert labels that go with it.

Content-addressed: a frame is resampled only when its voxels or the parameters are new.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pandas as pd
from tqdm import tqdm

from components.adapters.blosc_store import load_geometry, load_volume, save_volume
from components.adapters.parquet import read_parquet
from components.adapters.whole_file import write_whole
from components.cohort.frames import validate_frames
from components.cohort.task import Task
from components.errors import InputError, StateError
from components.operations.prepare_frame import prepare_volume, prepared_geometry
from pipelines.label_names import finding_names, structure_names
from pipelines.params import load_section
from pipelines.prepare_labels import Reasons, prepare_findings, prepare_label_maps
from pipelines.prepare_params import PrepareParams
from pipelines.prepared_record import PreparedRecord, content_key
from pipelines.progress import say, write_json
from pipelines.stage_command import run_stage
from pipelines.workspace import Workspace

_FORMAT = 1  # raised when the same frame would give another file


def prepare(workspace: Workspace, task: Task) -> None:
    """Write ``data/TASK/prepared`` and ``data/TASK/labels``.

    A frame or label that cannot be used is named with its reason in prepared/quarantine.json.
    """
    params = load_section(PrepareParams, workspace.params, "prepare", task)
    frames = _ingested(workspace, task)
    keys = {
        frame: _key(sha256, params)
        for frame, sha256 in zip(frames["frame_id"], frames["sha256"], strict=True)
    }
    grids, unusable = _prepare_frames(workspace, task, params, frames, keys)
    kept = frames[~frames["frame_id"].isin(unusable)].reset_index(drop=True)
    _write_table(workspace.prepared(task), kept, grids)
    usable = {frame: keys[frame] for frame in kept["frame_id"]}
    refused = (
        prepare_label_maps(workspace, structure_names(workspace), usable)
        if task == "segmentation"
        else prepare_findings(workspace, finding_names(workspace), kept["case_id"])
    )
    _write_quarantine(workspace.prepared(task), unusable, refused)
    _report(workspace, task, len(kept), unusable, refused)


def _ingested(workspace: Workspace, task: Task) -> pd.DataFrame:
    try:
        return read_parquet(workspace.ingested(task) / "frames.parquet")
    except OSError as error:
        raise StateError(
            expected=f"ingested scans for {task}", got="none", hint="`ctloop add`, then `ctloop ingest`"
        ) from error


def _key(sha256: str, params: PrepareParams) -> str:
    return content_key(_FORMAT, sha256, params.spacing_mm, params.min_voxels, params.max_voxels)


def _prepare_frames(
    workspace: Workspace, task: Task, params: PrepareParams, frames: pd.DataFrame, keys: dict[str, str]
) -> tuple[dict[str, dict[str, Any]], Reasons]:
    """Frame → its prepared grid as columns of the table; frame → why it cannot be used."""
    folder = workspace.prepared(task) / "frames"
    folder.mkdir(parents=True, exist_ok=True)
    record = PreparedRecord(workspace.prepared(task))
    grids: dict[str, dict[str, Any]] = {}
    unusable = Reasons()
    for frame in tqdm(frames["frame_id"], desc=f"prepare {task}", unit="frame", file=sys.stderr):
        result = record.result(frame, keys[frame])
        if result is None:
            result = _prepare_one(workspace, task, params, frame)
            record.put(frame, keys[frame], result)
        if "refused" in result:
            unusable[frame] = result["refused"]
        else:
            grids[frame] = result["grid"]
    for path in folder.iterdir():
        if path.name.removesuffix(".b2nd") not in grids:
            path.unlink()
    record.close()
    return grids, unusable


def _prepare_one(workspace: Workspace, task: Task, params: PrepareParams, frame: str) -> dict[str, Any]:
    native = workspace.ingested(task) / "volumes" / f"{frame}.b2nd"
    try:
        grid = prepared_geometry(
            load_geometry(native),
            params.spacing_mm,
            min_voxels=params.min_voxels,
            max_voxels=params.max_voxels,
        )
        volume = prepare_volume(load_volume(native), grid)
    except InputError as error:
        return {"refused": str(error)}
    file = f"frames/{frame}.b2nd"
    save_volume(workspace.prepared(task) / file, volume)
    columns = [f"prepared_spacing_{axis}_mm" for axis in "zyx"] + [f"prepared_shape_{axis}" for axis in "zyx"]
    return {"file": file, "grid": dict(zip(columns, (*grid.spacing_mm, *grid.shape), strict=True))}


def _write_table(folder: Path, frames: pd.DataFrame, grids: dict[str, dict[str, Any]]) -> None:
    columns = [f"prepared_spacing_{axis}_mm" for axis in "zyx"] + [f"prepared_shape_{axis}" for axis in "zyx"]
    added = pd.DataFrame([grids[frame] for frame in frames["frame_id"]], columns=columns)
    kinds = {name: "int64" if "shape" in name else "float64" for name in columns}
    table = validate_frames(pd.concat([frames, added.astype(kinds)], axis=1), extra=True)
    write_whole(folder / "frames.parquet", table.to_parquet(index=False))


def _write_quarantine(folder: Path, unusable: Reasons, refused: Reasons) -> None:
    items = [{"frame_id": name, "what": "frame", "reason": reason} for name, reason in unusable.items()]
    items += [{"frame_id": name, "what": "label", "reason": reason} for name, reason in refused.items()]
    write_json(folder / "quarantine.json", items)


def _report(workspace: Workspace, task: Task, frames: int, unusable: Reasons, refused: Reasons) -> None:
    labels = len(list(workspace.labels(task).glob("*.sidecar.json")))
    say(
        f"prepare {task}: {frames} frames, {labels} expert labels, {len(unusable) + len(refused)} quarantined"
    )
    for name, reason in {**unusable, **refused}.items():
        say(f"  quarantined {name}: {reason}")


if __name__ == "__main__":
    run_stage(prepare)
