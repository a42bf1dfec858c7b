"""The port to a model registry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

Alias = Literal["challenger", "champion", "previous", "shadow"]


@dataclass(frozen=True, kw_only=True)
class ModelVersion:
    """One registered version; ``tags`` holds its lineage (git commit, data and label hashes, seed …)."""

    name: str
    version: int
    package_hash: str
    run_id: str
    aliases: tuple[str, ...]
    tags: Mapping[str, str]
    created_at: str


class Registry(Protocol):
    """Named models with numbered versions and moving aliases."""

    def register(
        self, name: str, package: Path, *, package_hash: str, tags: Mapping[str, str]
    ) -> ModelVersion:
        """Idempotent by ``package_hash``: an already registered package returns its version."""
        ...

    def versions(self, name: str) -> tuple[ModelVersion, ...]: ...

    def by_alias(self, name: str, alias: Alias) -> ModelVersion | None: ...

    def set_alias(self, name: str, alias: Alias, version: int | None) -> None:
        """``None`` removes the alias."""
        ...

    def fetch(self, version: ModelVersion) -> Path:
        """A local folder with the package; raises ``StateError`` when its hash does not match."""
        ...
