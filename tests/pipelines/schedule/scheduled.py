"""A workspace whose scheduler runs small scripts in place of verbs."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from pipelines.composition import Services
from pipelines.schedule.jobs import Job
from pipelines.schedule.params import JobParams, SchedulerParams
from pipelines.schedule.supervisor import Supervisor
from pipelines.workspace import Workspace

VERIFY, RETRAIN = Job(kind="verify"), Job(kind="retrain", task="segmentation")


@dataclass
class Told:
    """A channel that remembers."""

    notices: list[tuple[str, str]] = field(default_factory=list)

    def send(self, subject: str, text: str) -> None:
        self.notices.append((subject, text))

    @property
    def subjects(self) -> list[str]:
        return [subject for subject, _ in self.notices]


def made_services(folder: Path) -> Services:
    """One batch of segmentation scans, and the shipped parameters."""
    workspace = Workspace(root=folder, state=folder / ".ctloop")
    workspace.params.parent.mkdir(parents=True)
    shutil.copy(Path(__file__).parents[3] / "pipelines" / "params.yaml", workspace.params)
    workspace.batches.parent.mkdir()
    batch = {"name": "first", "digest": "d", "files": 1}
    workspace.batches.write_text(
        yaml.safe_dump({"pseudonym_key": "", "segmentation": [batch], "classification": []})
    )
    return Services(workspace)


def quick(**changes: object) -> SchedulerParams:
    values: dict[str, object] = {
        "time_zone": "UTC", "poll_seconds": 0.1, "lease_seconds": 4.0, "attempts": 3, "back_off_minutes": 0.0,
        "jobs": {
            "verify": JobParams(cron="30 * * * *", timeout_minutes=1.0),
            "retrain": JobParams(cron=None, answers=2, on_drift=True, timeout_minutes=1.0),
        },
        "notify_done": ("retrain",),
    }  # fmt: skip
    return SchedulerParams(**{**values, **changes})  # type: ignore[arg-type]


def script(text: str) -> Callable[[Job], Sequence[str]]:
    return lambda job: (sys.executable, "-c", text)


def supervisor(services: Services, text: str, told: Told, **changes: object) -> Supervisor:
    return Supervisor(services=services, params=quick(**changes), channels=(told,), command=script(text))


def story(services: Services, job: Job = VERIFY) -> list[tuple[int, str, int | None]]:
    """(attempt, status, exit code) of each run."""
    return [(run.attempt, run.status, run.exit_code) for run in services.store.runs.runs(job.name)]
