"""Stage: which patients train and which are held out as the audit sample; nobody ever moves.

The earlier split is read from where the new one goes: DVC keeps the file between runs, git keeps its history.
"""

from __future__ import annotations

from dataclasses import dataclass

from components.adapters.parquet import read_parquet
from components.adapters.whole_file import write_whole
from components.cohort.split import Split, assign
from components.cohort.task import Task
from components.errors import ParameterError, StateError
from pipelines.params import load_section
from pipelines.progress import say
from pipelines.stage_command import run_stage
from pipelines.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class SplitParams:
    """Section ``split`` of params.yaml.

    Args:
        audit_share: of the patients of each batch that join the test set, rounded up.
        seed: of the draw; the first split's seed stays.
    """

    audit_share: float
    seed: int

    def __post_init__(self) -> None:
        if not 0.0 <= self.audit_share < 1.0:
            raise ParameterError(expected="audit_share in [0, 1)", got=str(self.audit_share), hint="0.2")


def split(workspace: Workspace, task: Task) -> None:
    """Write ``data/TASK/split.json`` for the patients of the prepared frames."""
    params = load_section(SplitParams, workspace.params, "split", task)
    path = workspace.split(task)
    previous = Split.from_json(path.read_text()) if path.exists() else None
    try:
        frames = read_parquet(workspace.prepared(task) / "frames.parquet", columns=["patient_id", "batch"])
    except OSError as error:
        raise StateError(expected="prepared frames", got="none", hint="`ctloop prepare`") from error
    made = assign(frames, previous, audit_share=params.audit_share, seed=params.seed)
    write_whole(path, made.to_json())
    train, test = made.patients("train"), made.patients("test")
    new = len(made.assignments) - (len(previous.assignments) if previous else 0)
    say(f"split {task}: {len(train)} patients train, {len(test)} held out, {new} new")


if __name__ == "__main__":
    run_stage(split)
