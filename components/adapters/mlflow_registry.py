"""The model registry on MLflow: versions, aliases, packages kept as pyfunc models by models-from-code.

Each registration is one finished run whose artifact ``model`` is a servable pyfunc that carries the package
under ``artifacts/package``. A version gets its tags in the transaction that creates it, and a finished run
that a killed process left without a version is taken up by the next call: no half-registered version exists.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from components.adapters.mlflow_servable import save_servable
from components.adapters.mlflow_store import ensure_store
from components.adapters.servable_seal import SERVABLE_TAG, servable_hash
from components.errors import StateError
from components.registry.package import archive_hash, verify_package
from components.registry.registry import Alias, ModelVersion

PACKAGE_TAG, ARCHIVE_TAG = "package_hash", "archive_hash"
_PACKAGE_PATH = "model/artifacts/package"


class MlflowRegistry:
    """Implements ``components.registry.registry.Registry``.

    Args:
        uri: tracking and registry store, ``sqlite:///…``, ``postgresql://…`` or ``http://…``.
        artifacts: folder (or URI) of the artifacts of new experiments; MLflow's default depends on the
            current folder, so it is always stated.
        cache: folder of fetched packages, by default beside ``artifacts``.
    """

    def __init__(self, *, uri: str, artifacts: Path | str, cache: Path | None = None) -> None:
        self._uri = uri
        self._artifacts = artifacts.resolve().as_uri() if isinstance(artifacts, Path) else artifacts
        beside = artifacts.parent if isinstance(artifacts, Path) else Path(tempfile.gettempdir())
        self._cache = cache or beside / "packages"

    @cached_property
    def _client(self) -> Any:
        ensure_store(self._uri)
        from mlflow import MlflowClient

        return MlflowClient(tracking_uri=self._uri, registry_uri=self._uri)

    def register(
        self, name: str, package: Path, *, package_hash: str, tags: Mapping[str, str]
    ) -> ModelVersion:
        """Idempotent by ``package_hash``: an already registered package returns its version.

        Raises ``StateError`` when ``package`` does not have this hash.
        """
        known = self._with_hash(name, package_hash)
        if known is not None:
            return known
        verify_package(package, package_hash)
        identity = {PACKAGE_TAG: package_hash, ARCHIVE_TAG: archive_hash(package)}
        run_id = self._finished_run(name, identity) or self._log_run(name, package, {**tags, **identity})
        self._ensure_model(name)
        served = {SERVABLE_TAG: self._client.get_run(run_id).data.tags.get(SERVABLE_TAG, "")}
        created = self._client.create_model_version(
            name, f"runs:/{run_id}/model", run_id=run_id, tags={**tags, **identity, **served}
        )
        return self._version(created, self._aliases(name))

    def versions(self, name: str) -> tuple[ModelVersion, ...]:
        """All versions of ``name``, oldest first; none when it is not registered."""
        aliases = self._aliases(name)
        found = [self._version(item, aliases) for item in self._search(f"name='{_checked(name)}'")]
        return tuple(sorted(found, key=lambda version: version.version))

    def by_run(self, run_id: str) -> ModelVersion | None:
        """The version that was registered from a run; ``None`` when there is none."""
        found = self._search(f"run_id='{_checked(run_id)}'")
        return self._version(found[0], self._aliases(found[0].name)) if found else None

    def by_alias(self, name: str, alias: str) -> ModelVersion | None:
        """Also for aliases that ctloop does not set itself, as a foreign team may use."""
        aliases = self._aliases(name)
        if alias not in aliases:
            return None
        return self._version(self._client.get_model_version(name, str(aliases[alias])), aliases)

    def set_alias(self, name: str, alias: Alias, version: int | None) -> None:
        """Move ``alias`` to ``version`` (``StateError`` when unknown); ``None`` removes it."""
        if version is None:
            if alias in self._aliases(name):
                self._client.delete_registered_model_alias(name, alias)
            return
        known = [found.version for found in self.versions(name)]
        if version not in known:
            hint = f"one of {', '.join(map(str, known))}" if known else "`ctloop register` first"
            raise StateError(expected=f"a registered version of {name}", got=str(version), hint=hint)
        self._client.set_registered_model_alias(name, alias, str(version))

    def fetch(self, version: ModelVersion) -> Path:
        """A local folder with the package; raises ``StateError`` when its hash does not match."""
        kept = self._cache / version.package_hash
        if kept.is_dir() and _intact(kept, version):
            return kept
        self._cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self._cache) as scratch:
            package = self._download(version, Path(scratch))
            verify_package(package, version.package_hash)
            _verify_archive(package, version)
            shutil.rmtree(kept, ignore_errors=True)
            os.replace(package, kept)
        return kept

    def _download(self, version: ModelVersion, scratch: Path) -> Path:
        from mlflow.exceptions import MlflowException

        try:
            return Path(self._client.download_artifacts(version.run_id, _PACKAGE_PATH, str(scratch)))
        except (OSError, MlflowException) as error:
            raise StateError(
                expected=f"the package of {version.name}/{version.version} in the artifact store",
                got=type(error).__name__,
                hint="restoring the artifact store, or registering the model again",
            ) from error

    def _log_run(self, name: str, package: Path, tags: Mapping[str, str]) -> str:
        """A finished run with the servable model and the package's metrics."""
        client = self._client
        run_id: str = client.create_run(
            self._experiment(name), run_name=f"register {tags[PACKAGE_TAG][:12]}", tags=dict(tags)
        ).info.run_id
        with tempfile.TemporaryDirectory() as scratch:
            servable = Path(scratch) / "model"
            save_servable(servable, package)
            client.set_tag(run_id, SERVABLE_TAG, servable_hash(servable))
            client.log_artifacts(run_id, str(servable), "model")
        self._log_metrics(run_id, package)
        client.set_terminated(run_id, "FINISHED")
        return run_id

    def _log_metrics(self, run_id: str, package: Path) -> None:
        from mlflow.entities import Metric

        now = int(datetime.now(UTC).timestamp() * 1000)
        numbers = dict(_numbers(json.loads((package / "metrics.json").read_text())))
        metrics = [Metric(key[:250], value, now, 0) for key, value in numbers.items()]
        for start in range(0, len(metrics), 1000):
            self._client.log_batch(run_id, metrics=metrics[start : start + 1000])

    def _finished_run(self, name: str, identity: Mapping[str, str]) -> str | None:
        """A run that was logged in full before its process died."""
        query = " and ".join(f"tags.{key} = '{value}'" for key, value in identity.items())
        for run in self._client.search_runs([self._experiment(name)], filter_string=query):
            if run.info.status == "FINISHED":
                return str(run.info.run_id)
            self._client.set_terminated(run.info.run_id, "KILLED")
        return None

    def _experiment(self, name: str) -> str:
        title = f"{_checked(name)}/registrations"
        known = self._client.get_experiment_by_name(title)
        if known is not None:
            return str(known.experiment_id)
        location = f"{self._artifacts}/{title}"
        with _tolerating("RESOURCE_ALREADY_EXISTS"):
            return str(self._client.create_experiment(title, artifact_location=location))
        return str(self._client.get_experiment_by_name(title).experiment_id)

    def _ensure_model(self, name: str) -> None:
        with _tolerating("RESOURCE_ALREADY_EXISTS"):
            self._client.create_registered_model(_checked(name))

    def _with_hash(self, name: str, package_hash: str) -> ModelVersion | None:
        query = f"name='{_checked(name)}' and tag.{PACKAGE_TAG} = '{package_hash}'"
        found = self._search(query)
        return self._version(found[0], self._aliases(name)) if found else None

    def _search(self, query: str) -> list[Any]:
        found: list[Any] = []
        token: str | None = None
        while True:
            page = self._client.search_model_versions(query, page_token=token)
            found.extend(page)
            token = page.token
            if not token:
                return found

    def _aliases(self, name: str) -> dict[str, int]:
        with _tolerating("RESOURCE_DOES_NOT_EXIST"):
            aliases = self._client.get_registered_model(_checked(name)).aliases
            return {alias: int(version) for alias, version in aliases.items()}
        return {}

    def _version(self, item: Any, aliases: Mapping[str, int]) -> ModelVersion:
        number = int(item.version)
        return ModelVersion(
            name=str(item.name),
            version=number,
            package_hash=str(item.tags.get(PACKAGE_TAG, "")),
            run_id=str(item.run_id),
            aliases=tuple(sorted(alias for alias, at in aliases.items() if at == number)),
            tags=dict(item.tags),
            created_at=datetime.fromtimestamp(item.creation_timestamp / 1000, UTC).isoformat(),
        )


def _intact(folder: Path, version: ModelVersion) -> bool:
    try:
        verify_package(folder, version.package_hash)
        _verify_archive(folder, version)
    except StateError:
        return False
    return True


def _verify_archive(folder: Path, version: ModelVersion) -> None:
    expected = version.tags.get(ARCHIVE_TAG, "")
    if archive_hash(folder) != expected:
        raise StateError(
            expected=f"lineage and dossier with hash {expected[:12]}",
            got="other ones",
            hint="restoring the artifact store from its backup",
        )


def _checked(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_.-]+", name):
        raise StateError(
            expected="a model name of letters, digits, '-', '_' and '.'", got=repr(name), hint="ctloop-TASK"
        )
    return name


@contextmanager
def _tolerating(code: str) -> Iterator[None]:
    """Swallow MLflow's error of this code; the caller goes on after the block."""
    from mlflow.exceptions import MlflowException

    try:
        yield
    except MlflowException as error:
        if error.error_code != code:
            raise


def _numbers(tree: Any, path: str = "") -> Iterator[tuple[str, float]]:
    """Every number of a JSON tree with its path; ``a/b/c``."""
    if isinstance(tree, dict):
        for key, value in tree.items():
            yield from _numbers(value, f"{path}/{key}" if path else str(key))
    elif isinstance(tree, int | float) and not isinstance(tree, bool):
        yield path, float(tree)
