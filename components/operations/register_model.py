"""Use case: put a package into the registry and make it the challenger."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from components.registry.ledger import Ledger
from components.registry.registry import ModelVersion, Registry


def register_model(
    registry: Registry,
    ledger: Ledger,
    *,
    name: str,
    package: Path,
    package_hash: str,
    tags: Mapping[str, str],
) -> ModelVersion:
    """Register ``package`` and point ``challenger`` at it; calling again changes nothing.

    The version that is champion or was champion before stays as it is: it is no challenger any more. The
    ledger gets one entry per version, also when an earlier call was killed before it wrote it. A promotion that
    was killed is to be finished first, see ``alias_moves.finish_moves``.
    """
    version = registry.register(name, package, package_hash=package_hash, tags=tags)
    if not {"champion", "previous"} & set(version.aliases):
        registry.set_alias(name, "challenger", version.version)
    subject = subject_of(version)
    if subject not in {entry.subject for entry in ledger.entries("register")}:
        ledger.append(
            "register", subject, {"package_hash": version.package_hash, "lineage": dict(version.tags)}
        )
    return next(known for known in registry.versions(name) if known.version == version.version)


def subject_of(version: ModelVersion) -> str:
    """``ctloop-segmentation/3``: what ledger entries about a version are about."""
    return f"{version.name}/{version.version}"
