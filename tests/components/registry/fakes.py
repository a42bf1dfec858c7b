"""A registry and a ledger in memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from components.registry.chain import EMPTY, head_of, sealed
from components.registry.ledger import EntryKind, LedgerEntry
from components.registry.registry import Alias, ModelVersion


class RegistryInMemory:
    """Implements ``Registry``; remembers package folders by hash."""

    def __init__(self) -> None:
        self._versions: list[ModelVersion] = []
        self._aliases: dict[Alias, int] = {}
        self.folders: dict[str, Path] = {}

    def register(
        self, name: str, package: Path, *, package_hash: str, tags: Mapping[str, str]
    ) -> ModelVersion:
        known = next((v for v in self._versions if v.package_hash == package_hash), None)
        if known is None:
            number = len(self._versions) + 1
            known = ModelVersion(
                name=name,
                version=number,
                package_hash=package_hash,
                run_id=f"run{number}",
                aliases=(),
                tags=dict(tags),
                created_at="2026-01-01T00:00:00+00:00",
            )
            self._versions.append(known)
            self.folders[package_hash] = package
        return self._seen(known)

    def versions(self, name: str) -> tuple[ModelVersion, ...]:
        return tuple(self._seen(version) for version in self._versions)

    def by_alias(self, name: str, alias: Alias) -> ModelVersion | None:
        number = self._aliases.get(alias)
        return next((v for v in self.versions(name) if v.version == number), None)

    def set_alias(self, name: str, alias: Alias, version: int | None) -> None:
        if version is None:
            self._aliases.pop(alias, None)
        else:
            self._aliases[alias] = version

    def fetch(self, version: ModelVersion) -> Path:
        return self.folders[version.package_hash]

    def _seen(self, version: ModelVersion) -> ModelVersion:
        aliases = sorted(alias for alias, at in self._aliases.items() if at == version.version)
        return replace(version, aliases=tuple(aliases))


class LeasesInMemory:
    """Implements ``pipelines.schedule.heartbeat.Leases`` without a clock: none runs out."""

    def __init__(self) -> None:
        self._holders: dict[str, str] = {}

    def take(self, name: str, holder: str, seconds: float) -> bool:
        return self._holders.setdefault(name, holder) == holder

    def renew(self, name: str, holder: str, seconds: float) -> bool:
        return self._holders.get(name) == holder

    def drop(self, name: str, holder: str) -> None:
        if self.renew(name, holder, 0.0):
            del self._holders[name]

    def holder(self, name: str) -> str | None:
        return self._holders.get(name)


class LedgerInMemory:
    """Implements ``Ledger``."""

    def __init__(self) -> None:
        self._entries: list[LedgerEntry] = []
        self.leases = LeasesInMemory()

    def append(self, kind: EntryKind, subject: str, payload: Mapping[str, Any]) -> LedgerEntry:
        at = f"2026-01-01T00:{len(self._entries) // 60:02d}:{len(self._entries) % 60:02d}+00:00"
        before = head_of(self._entries[-1]) if self._entries else EMPTY
        self._entries.append(sealed(before, kind, subject, payload, at))
        return self._entries[-1]

    def entries(self, *kinds: EntryKind) -> tuple[LedgerEntry, ...]:
        return tuple(entry for entry in self._entries if not kinds or entry.kind in kinds)
