"""Scorecards of the patients that experts have labelled for training, as the model in use sees them."""

from __future__ import annotations

import pandas as pd

from components.adapters.parquet import read_parquet
from components.cohort.task import Task
from components.models.prediction import Predictor
from components.operations.scoring import score_cases
from components.scorecard.columns import IDENTITY
from pipelines.held_out import frames_of, labelled_frames
from pipelines.progress import bar
from pipelines.workspace import Workspace


def labelled_scorecards(
    workspace: Workspace, task: Task, predictor: Predictor, model_version: str
) -> pd.DataFrame:
    """One labelled frame of each such patient, its first; those of an earlier call are not scored again.

    They are kept in ``.ctloop/reports/monitor/labelled``, a table for each model version.
    """
    from components.adapters.blosc_store import load_volume

    frames = frames_of(workspace, task, "train")
    done = labelled_frames(workspace, task)
    ours = frames[frames["frame_id"].isin(done) | frames["case_id"].isin(done)].sort_values("frame_id")
    wanted = ours.drop_duplicates("patient_id")
    file = workspace.reports / "monitor" / "labelled" / f"{model_version.replace('/', '-')}.parquet"
    kept = read_parquet(file) if file.is_file() else pd.DataFrame(columns=list(IDENTITY))
    missing = wanted[~wanted["frame_id"].isin(kept["frame_id"])]
    if not missing.empty:
        folder = workspace.prepared(task) / "frames"
        scored = score_cases(
            predictor,
            missing,
            lambda frame: load_volume(folder / f"{frame}.b2nd"),
            progress=bar(f"labelled {task}"),
        )
        kept = pd.concat([table for table in (kept, scored) if not table.empty] or [scored])
        file.parent.mkdir(parents=True, exist_ok=True)
        kept.to_parquet(file, index=False)
    return kept[kept["frame_id"].isin(wanted["frame_id"])]
