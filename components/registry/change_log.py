"""What differs between a package and its parent: parameters, code, contract, labels, patients, metrics."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from components.cohort.task import TASKS
from components.registry.evidence import Row, metric_rows
from components.registry.package import LINEAGE

TRAINING_LABELS = "training_labels.json"
# the sections of params.yaml that shape a model or how it is judged; others say when things run, and who is asked
SHAPING = ("labels", "ingest", "prepare", "split", "pseudo_label", "train", "evaluate", "gate", "dossier")
_CONTRACT = ("task", "input", "label_names")


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """As much of a package as a change log compares; what an older package does not tell is ``None``.

    Args:
        parameters: dotted path → value, of ``SHAPING``.
        code: path, and the pinned packages' file → hash, as the stages read them.
        contract: dotted path → value: what the model wants to see, and the names of what it answers.
        thresholds: finding → probability from which it is called.
        hashes: path → hash of the data that the stages read and wrote.
        labels: frame or case → provenance and hash of its training label.
        patients: side → pseudonyms.
        groups: ``site`` or ``scanner`` → those that training saw.
        metrics: see ``metric_rows``.
    """

    parameters: Mapping[str, Any]
    code: Mapping[str, str]
    contract: Mapping[str, Any]
    thresholds: Mapping[str, float]
    hashes: Mapping[str, str]
    labels: Mapping[str, tuple[str, str]] | None
    patients: Mapping[str, frozenset[str] | None]
    groups: Mapping[str, frozenset[str]]
    metrics: tuple[Row, ...] = field(repr=False)


def snapshot_of(package: Path, data: Mapping[str, Any] | None) -> Snapshot:
    """Of a package folder; ``data`` is the part ``data`` of its dossier, ``None`` when it has none."""
    lineage = _json(package / LINEAGE / "lineage.json") or {}
    model = _json(package / "model.json") or {}
    task = str(model.get("task", lineage.get("task", "")))
    lock = yaml.safe_load(_text(package / LINEAGE / "dvc.lock")) or {}
    labels = _json(package / LINEAGE / TRAINING_LABELS)
    trained = ((data or {}).get("sides") or {}).get("train", {}).get("groups", {})
    return Snapshot(
        parameters=shaping_parameters(_text(package / LINEAGE / "params.yaml"), task),
        code=code_hashes(lock, task) | _pinned(lineage),
        contract=dict(flat({key: model.get(key) for key in _CONTRACT})),
        thresholds=(_json(package / "calibration.json") or {}).get("thresholds", {}),
        hashes=lineage.get("hashes", {}),
        labels=None if labels is None else {name: (kind, digest) for name, (kind, digest) in labels.items()},
        patients={
            "train": _names(lineage.get("training_patients")),
            "test": _names(lineage.get("held_out_patients")),
        },
        groups={name: frozenset(trained.get(name, {})) for name in ("site", "scanner")},
        metrics=tuple(metric_rows(_json(package / "metrics.json") or {})),
    )


def change_log(after: Snapshot, before: Snapshot, parent: Mapping[str, Any]) -> dict[str, Any]:
    """JSON-able; what is unknown is ``None``.

    Args:
        parent: ``version`` and ``package_hash`` of what ``before`` is of.
    """
    return {
        "parent": dict(parent),
        "parameters": differences(before.parameters, after.parameters),
        "code": differences(before.code, after.code),
        "contract": differences(before.contract, after.contract),
        "thresholds": differences(before.thresholds, after.thresholds),
        "data": differences(before.hashes, after.hashes),
        "labels": label_changes(before.labels, after.labels),
        "patients": {side: _moved(before.patients[side], after.patients[side]) for side in ("train", "test")},
        "sites": _groups(before.groups["site"], after.groups["site"]),
        "scanners": _groups(before.groups["scanner"], after.groups["scanner"]),
        "metrics": _metric_changes(before.metrics, after.metrics),
    }


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[dict[str, Any]]:
    """``path``, ``before``, ``after`` of every key whose value differs; ``None`` where there is no such key."""
    return [
        {"path": path, "before": before.get(path), "after": after.get(path)}
        for path in sorted(set(before) | set(after))
        if (path in before) != (path in after) or before.get(path) != after.get(path)
    ]


def label_changes(
    before: Mapping[str, tuple[str, str]] | None, after: Mapping[str, tuple[str, str]] | None
) -> dict[str, Any]:
    """Training labels that are new or other ones (``new``) and that are gone (``removed``), by provenance; shares."""
    if before is None or after is None:
        return {"new": {}, "removed": {}, "new_share": None, "removed_share": None}
    new = [label for name, label in after.items() if before.get(name) != label]
    removed = [label for name, label in before.items() if name not in after]
    return {
        "new": dict(sorted(Counter(kind for kind, _ in new).items())),
        "removed": dict(sorted(Counter(kind for kind, _ in removed).items())),
        "new_share": round(len(new) / len(after), 6) if after else 0.0,
        "removed_share": round(len(removed) / len(before), 6) if before else 0.0,
    }


def shaping_parameters(text: str, task: str) -> dict[str, Any]:
    """Dotted path → value of the sections ``SHAPING`` of params.yaml, without the other task's part."""
    tree = yaml.safe_load(text) if text else {}
    sections = {name: tree[name] for name in SHAPING if name in tree}
    for name, values in sections.items():
        if isinstance(values, dict) and set(values) <= set(TASKS):
            sections[name] = {task: values[task]} if task in values else {}
    return dict(flat(sections))


def code_hashes(lock: Mapping[str, Any], task: str) -> dict[str, str]:
    """Path → hash of the code that the stages of ``task`` ran with, by dvc.lock; two hashes where stages differ."""
    found: dict[str, set[str]] = {}
    for stage, entry in (lock.get("stages") or {}).items():
        if stage.endswith(f"@{task}"):
            for item in entry.get("deps", ()):
                if str(item["path"]).startswith(("components", "pipelines", "dashboards")):
                    found.setdefault(str(item["path"]), set()).add(str(item.get("md5") or item.get("hash")))
    return {path: " and ".join(sorted(hashes)) for path, hashes in sorted(found.items())}


def flat(tree: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted path and value of every leaf; lists are leaves."""
    if isinstance(tree, Mapping) and tree:
        for key, value in tree.items():
            yield from flat(value, f"{path}.{key}" if path else str(key))
    elif path:
        yield path, tree


def _pinned(lineage: Mapping[str, Any]) -> dict[str, str]:
    pinned = lineage.get("requirements_sha256")
    return {"requirements.lock": str(pinned)} if pinned else {}


def _moved(before: frozenset[str] | None, after: frozenset[str] | None) -> dict[str, int | None]:
    if before is None or after is None:
        return {"added": None, "removed": None}
    return {"added": len(after - before), "removed": len(before - after)}


def _groups(before: Collection[str], after: Collection[str]) -> dict[str, list[str]]:
    return {"added": sorted(set(after) - set(before)), "removed": sorted(set(before) - set(after))}


def _metric_changes(before: Collection[Row], after: Collection[Row]) -> list[Row]:
    """Of the metrics that both have; the two may rest on different test patients, see ``patients``."""
    known = {(row["metric"], row["label"]): row for row in before}
    rows = []
    for row in after:
        earlier = known.get((row["metric"], row["label"]))
        if earlier is not None:
            both = row["value"] is not None and earlier["value"] is not None
            ends = {
                name: {key: one[key] for key in ("value", "low", "high", "patients")}
                for name, one in (("before", earlier), ("after", row))
            }
            difference = round(row["value"] - earlier["value"], 6) if both else None
            rows.append({"metric": row["metric"], "label": row["label"], **ends, "difference": difference})
    return rows


def _names(listed: Any) -> frozenset[str] | None:
    return None if listed is None else frozenset(map(str, listed))


def _json(path: Path) -> Any:
    return json.loads(path.read_text()) if path.is_file() else None


def _text(path: Path) -> str:
    return path.read_text() if path.is_file() else ""
