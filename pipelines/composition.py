"""The composition root: the only place that builds adapters, each when first asked for: imports are slow."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from components.cohort.task import Task
from components.errors import StateError
from components.registry.registry import Alias, ModelVersion
from pipelines.workspace import Workspace

if TYPE_CHECKING:
    from components.adapters.mail import Mail
    from components.adapters.mlflow_registry import MlflowRegistry
    from components.adapters.sql_store import SqlStore
    from components.adapters.webhook import Webhook
    from components.models.prediction import Predictor

MODEL_NAMES: dict[Task, str] = {
    "segmentation": "ctloop-segmentation",
    "classification": "ctloop-classification",
}


@dataclass(frozen=True)
class Services:
    """The stores of one workspace."""

    workspace: Workspace

    @cached_property
    def store(self) -> SqlStore:
        """Requests, ledger, job history."""
        from components.adapters.sql_store import open_store

        self.workspace.state.mkdir(parents=True, exist_ok=True)
        return open_store(self.workspace.database_url, self.workspace.ledger_head)

    @cached_property
    def registry(self) -> MlflowRegistry:
        from components.adapters.mlflow_registry import MlflowRegistry

        self.workspace.state.mkdir(parents=True, exist_ok=True)
        return MlflowRegistry(uri=self.workspace.mlflow_uri, artifacts=self.workspace.mlflow_artifacts)

    @cached_property
    def channels(self) -> tuple[Webhook | Mail, ...]:
        """Ways to tell people: none unless the environment names them."""
        from components.adapters.mail import Mail
        from components.adapters.webhook import Webhook

        found: list[Webhook | Mail] = []
        if url := os.environ.get("CTLOOP_WEBHOOK_URL"):
            found.append(Webhook(url=url, secret=os.environ.get("CTLOOP_WEBHOOK_SECRET") or None))
        if url := os.environ.get("CTLOOP_SMTP_URL"):
            to = os.environ.get("CTLOOP_MAIL_TO", "")
            found.append(Mail(url=url, sender=os.environ.get("CTLOOP_MAIL_FROM") or to.split(",")[0], to=to))
        return tuple(found)

    def version_in_use(self, task: Task) -> ModelVersion:
        """The champion; before there is one, the newest challenger. ``StateError`` when there is neither."""
        aliases: tuple[Alias, ...] = ("champion", "challenger")
        found = (self.registry.by_alias(MODEL_NAMES[task], alias) for alias in aliases)
        version = next((version for version in found if version is not None), None)
        if version is None:
            raise StateError(
                expected=f"a champion or challenger of {MODEL_NAMES[task]}",
                got="an empty registry",
                hint="`ctloop loop`, or `dvc repro` and then `ctloop register`",
            )
        return version

    def predictor(self, version: ModelVersion) -> tuple[Predictor, Path]:
        """The loaded package of a registered version and its folder."""
        folder = self.registry.fetch(version)
        return self.load_predictor(folder), folder

    def load_predictor(self, package: Path) -> Predictor:
        """A package folder's predictor."""
        from components.models.package import load_predictor

        return load_predictor(package)
