"""Whether a package says whence it comes: a model without a past is not put into use."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

TRAINED_HERE = ("git_commit", "seed", "hashes", "training_patients", "requirements_sha256")
IMPORTED = ("source", "weights_sha256")
ARCHIVED = ("dvc.lock", "params.yaml")


def lineage_gaps(lineage: Mapping[str, Any], archived: Collection[str]) -> tuple[str, ...]:
    """What is missing of a package's lineage; empty when it is complete.

    A model that was trained here names its commit, seed, data, patients, packages, and labels or teacher, and carries
    the lock file and parameters. One that was imported names its source and the hash of the file.

    Args:
        lineage: the content of lineage.json.
        archived: names of the files beside it.
    """
    if "source" in lineage:
        return _empty(lineage, IMPORTED)
    labels = () if lineage.get("label_set") or lineage.get("teacher_fingerprint") else ("labels or teacher",)
    files = tuple(name for name in ARCHIVED if name not in archived)
    return (*_empty(lineage, TRAINED_HERE), *labels, *files)


def _empty(lineage: Mapping[str, Any], keys: Collection[str]) -> tuple[str, ...]:
    return tuple(key for key in keys if lineage.get(key) in (None, "", [], {}))
