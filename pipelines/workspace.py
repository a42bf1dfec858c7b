"""Where things lie in a workspace: one place for every path.

A workspace is a git clone of this repository; DVC tracks ``data/`` and ``models/``; state that is in neither
lives in ``.ctloop`` or where ``CTLOOP_STATE`` points.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from components.cohort.task import Task
from components.errors import StateError


@dataclass(frozen=True, kw_only=True)
class Workspace:
    """Paths of one workspace; ``root`` is the clone, ``state`` the folder outside git and DVC."""

    root: Path
    state: Path

    @staticmethod
    def at(root: Path | None = None) -> Workspace:
        """The workspace at ``root`` (default: current folder), with its state from ``CTLOOP_STATE``."""
        root = (root or Path.cwd()).resolve()
        return Workspace(root=root, state=Path(os.environ.get("CTLOOP_STATE") or root / ".ctloop").resolve())

    @staticmethod
    def existing(root: Path | None = None) -> Workspace:
        """As ``at``; ``StateError`` where there is no clone, before anything is written there."""
        workspace = Workspace.at(root)
        if not workspace.params.is_file():
            raise StateError(
                expected="a workspace: a clone of this repository",
                got=f"the folder {workspace.root.name!r}",
                hint="going there, or `--workspace DIR`",
            )
        return workspace

    # --- in git
    @property
    def params(self) -> Path:
        return self.root / "pipelines" / "params.yaml"

    @property
    def batches(self) -> Path:
        """Which batches belong to each task, with their content digests; written by ``ctloop add``."""
        return self.root / "data" / "batches.yaml"

    def split(self, task: Task) -> Path:
        return self.root / "data" / task / "split.json"

    # --- in DVC
    def ingested(self, task: Task) -> Path:
        """frames.parquet, quarantine.json, volumes/FRAME.b2nd (native grid), labels/."""
        return self.root / "data" / task / "ingested"

    def answers(self, task: Task) -> Path:
        """Accepted expert answers with their sidecars; a DVC data version."""
        return self.root / "data" / task / "answers"

    def prepared(self, task: Task) -> Path:
        """frames/FRAME.b2nd on the prepared grid and frames.parquet."""
        return self.root / "data" / task / "prepared"

    def labels(self, task: Task) -> Path:
        """Expert labels on the prepared grid: FRAME.b2nd, or findings.parquet, and sidecars."""
        return self.root / "data" / task / "labels"

    def pseudo(self, task: Task) -> Path:
        """Pseudo-labels on the prepared grid, with sidecars and manifest.json."""
        return self.root / "data" / task / "pseudo"

    def model(self, task: Task) -> Path:
        """weights.safetensors and model.json."""
        return self.root / "models" / task

    def evaluation(self, task: Task) -> Path:
        """reference.parquet (held-out scorecards), calibration.json, per_patient.parquet, figures/, report/."""
        return self.root / "models" / f"{task}-evaluation"

    def metrics(self, task: Task) -> Path:
        return self.root / "models" / f"{task}-metrics.json"

    # --- state
    @property
    def sources(self) -> Path:
        """Batch name → folder and cases table of the original scans; never in git."""
        return self.state / "sources.json"

    @property
    def quarantined(self) -> Path:
        """Pseudonym → path of each quarantined source; never in git."""
        return self.state / "quarantined.json"

    @property
    def lease(self) -> Path:
        """Locked by the one job that writes this workspace, see ``pipelines.lease``."""
        return self.state / "lease"

    @property
    def pseudonym_key(self) -> Path:
        return self.state / "pseudonym.key"

    @property
    def database_url(self) -> str:
        return os.environ.get("CTLOOP_DATABASE_URL") or f"sqlite:///{self.state / 'ctloop.db'}"

    @property
    def ledger_head(self) -> Path:
        """Number and hash of the ledger's last entry, kept outside the database; see ``ctloop ledger verify``."""
        return self.state / "ledger-head"

    @property
    def scheduler_logs(self) -> Path:
        """RUN.log of each attempt at a scheduled job."""
        return self.state / "scheduler"

    @property
    def mlflow_uri(self) -> str:
        return os.environ.get("CTLOOP_MLFLOW_URI") or f"sqlite:///{self.state / 'mlflow.db'}"

    @property
    def mlflow_artifacts(self) -> Path:
        return self.state / "mlartifacts"

    @property
    def evidently(self) -> Path:
        return self.state / "evidently"

    def scores(self, task: Task, version: int, package_hash: str) -> Path:
        """Scorecards of every case that a registered version has scored, see ``ctloop score``."""
        return self.state / "scores" / task / f"{version}-{package_hash[:12]}"

    def checkpoints(self, task: Task) -> Path:
        """Training checkpoints, so that a killed run resumes."""
        return self.state / "checkpoints" / task

    @property
    def exports(self) -> Path:
        """Packages for experts: volume and pre-annotation of each request."""
        return self.state / "requests"

    @property
    def reports(self) -> Path:
        return self.state / "reports"
