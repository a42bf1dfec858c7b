"""Job: remove what killed and finished jobs left in the state folder."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from components.errors import ParameterError
from components.labeling.request_store import RequestStore
from pipelines.params import load_section
from pipelines.start_model import forget_starts
from pipelines.workspace import Workspace

_DAY_SECONDS = 86_400.0


@dataclass(frozen=True, kw_only=True)
class CleanUpParams:
    """Section ``clean_up`` of params.yaml: logs and packages of closed requests are kept for so many days."""

    keep_days: float

    def __post_init__(self) -> None:
        if self.keep_days < 0:
            raise ParameterError(expected="keep_days >= 0", got=str(self.keep_days), hint="30")


@dataclass(frozen=True, kw_only=True)
class Cleaned:
    """How many of each were removed."""

    clones: int
    starts: int
    logs: int
    request_packages: int

    def __str__(self) -> str:
        return (
            f"removed {self.clones} clones, {self.starts} models that no training goes on from, {self.logs} logs, "
            f"{self.request_packages} packages of closed requests"
        )


def clean_up(workspace: Workspace, store: RequestStore) -> Cleaned:
    """Remove what retrainings left (clones, models to go on from), old logs, and old packages of closed requests.

    The caller holds the workspace's lease, so that no clone is in use. The ledger, histories, reports and
    anything under DVC stay.
    """
    params = load_section(CleanUpParams, workspace.params, "clean_up")
    before = time.time() - params.keep_days * _DAY_SECONDS
    is_open = {request.id for request in store.requests(status="open")}
    closed = {request.id for request in store.requests()} - is_open
    packages = [path for path in _children(workspace.exports) if path.name in closed and _older(path, before)]
    clones = [path for path in _children(workspace.state / "clones") if path.is_dir()]
    logs = [
        path for path in _children(workspace.scheduler_logs) if path.suffix == ".log" and _older(path, before)
    ]
    for folder in (*clones, *packages):
        shutil.rmtree(folder, ignore_errors=True)
    for log in logs:
        log.unlink(missing_ok=True)
    return Cleaned(
        clones=len(clones),
        starts=forget_starts(workspace),
        logs=len(logs),
        request_packages=len(packages),
    )


def _children(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _older(path: Path, moment: float) -> bool:
    return path.stat().st_mtime < moment
