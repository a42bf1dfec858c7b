"""From labels to the champion, as a graph: what each version was made of, and what was decided about it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from components.cohort.task import Task
from components.registry.ledger import LedgerEntry
from components.registry.registry import ModelVersion

Kind = Literal["teacher", "pseudo-labels", "labels", "data version", "model version", "gate", "alias"]
ORDER: tuple[tuple[Kind, ...], ...] = (
    ("teacher",), ("labels", "pseudo-labels"), ("data version",), ("model version",), ("gate",), ("alias",),
)  # fmt: skip
"""Columns of the graph: every edge leads to a later one."""


@dataclass(frozen=True, kw_only=True)
class Node:
    """``key`` is unique; ``name`` is for people; ``state`` and ``version`` are empty where there is none."""

    key: str
    kind: Kind
    name: str
    state: str = ""
    version: int | None = None


@dataclass(frozen=True, kw_only=True)
class LineageGraph:
    """``edges`` are (from, to) by key."""

    nodes: tuple[Node, ...]
    edges: tuple[tuple[str, str], ...]

    def column(self, node: Node) -> int:
        """Its place in ``ORDER``."""
        return next(place for place, kinds in enumerate(ORDER) if node.kind in kinds)


def lineage_graph(task: Task, versions: Sequence[ModelVersion], gates: Sequence[LedgerEntry]) -> LineageGraph:
    """Of some versions of one model, in their order; equal hashes are one node.

    Args:
        gates: entries ``gate`` of the ledger, oldest first; the newest about a version counts.
    """
    judged = {entry.subject: entry for entry in gates}
    nodes: dict[str, Node] = {}
    edges: dict[tuple[str, str], None] = {}
    for version in versions:
        gate = judged.get(f"{version.name}/{version.version}")
        made, decided = list(_origin(task, version.tags)), list(_decisions(version, gate))
        us = Node(key=f"v{version.version}", kind="model version", name=f"version {version.version}",
                  version=version.version)  # fmt: skip
        for chain in (*made, decided):
            nodes |= {node.key: node for node in chain}
        nodes[us.key] = us
        chains = [[*chain, us] for chain in made] + [[us, *decided]]
        edges |= dict.fromkeys(pair for chain in chains for pair in _pairs(chain))
    return LineageGraph(nodes=tuple(nodes.values()), edges=tuple(edges))


def _origin(task: Task, tags: Mapping[str, str]) -> Iterator[list[Node]]:
    """Chains of nodes that end in the data version (where it is known)."""
    prepared = tags.get(f"hash.data/{task}/prepared")
    label_set, taught = tags.get("label_set"), tags.get(f"hash.data/{task}/pseudo")
    # the same scans with other labels are another data version: each version keeps its own way back
    key = f"data version:{prepared}:{label_set}:{taught}"
    data = [Node(key=key, kind="data version", name=f"scans {prepared[:8]}")] if prepared else []
    if label_set:
        yield [_hashed("labels", "label set", label_set), *data]
    if teacher := tags.get("teacher_fingerprint"):
        pseudo = [_hashed("pseudo-labels", "labels", taught)] if taught else []
        yield [_hashed("teacher", "teacher", teacher), *pseudo, *data]
    elif data and not label_set:
        yield data


def _decisions(version: ModelVersion, gate: LedgerEntry | None) -> Iterator[Node]:
    if gate is not None:
        yield Node(key=f"g{version.version}", kind="gate", name="gate", state=str(gate.payload["outcome"]))
    if version.aliases:
        aliases = ", ".join(version.aliases)
        yield Node(key=f"a{version.version}", kind="alias", name="is", state=aliases)


def _hashed(kind: Kind, word: str, digest: str) -> Node:
    return Node(key=f"{kind}:{digest}", kind=kind, name=f"{word} {digest[:8]}")


def _pairs(chain: Sequence[Node]) -> Iterable[tuple[str, str]]:
    return ((one.key, two.key) for one, two in pairwise(chain))
