from __future__ import annotations

from typing import Any

from components.registry.ledger import LedgerEntry
from components.registry.lineage_graph import lineage_graph
from components.registry.registry import ModelVersion


def version(number: int, *aliases: str, **tags: str) -> ModelVersion:
    return ModelVersion(
        name="m", version=number, package_hash=str(number), run_id="r", aliases=aliases, created_at="t",
        tags={key.replace("__", "/").replace("hash_", "hash."): value for key, value in tags.items()},
    )  # fmt: skip


def gate(number: int, outcome: str) -> LedgerEntry:
    payload: dict[str, Any] = {"outcome": outcome}
    return LedgerEntry(number=1, kind="gate", subject=f"m/{number}", payload=payload, at="t", sha256="s")


def test_from_labels_and_teacher_to_the_champion() -> None:
    tags = {
        "label_set": "l" * 32, "teacher_fingerprint": "t" * 32, "hash_data__segmentation__prepared": "d" * 32,
        "hash_data__segmentation__pseudo": "p" * 32,
    }  # fmt: skip
    graph = lineage_graph(
        "segmentation", [version(1, "champion", **tags)], [gate(1, "refused"), gate(1, "passed")]
    )
    names = {node.key: f"{node.name} {node.state}".strip() for node in graph.nodes}
    assert {(names[one], names[two]) for one, two in graph.edges} == {
        ("label set llllllll", "scans dddddddd"), ("teacher tttttttt", "labels pppppppp"),
        ("labels pppppppp", "scans dddddddd"), ("scans dddddddd", "version 1"),
        ("version 1", "gate passed"), ("gate passed", "is champion"),
    }  # fmt: skip
    by_key = {node.key: node for node in graph.nodes}
    assert all(graph.column(by_key[one]) < graph.column(by_key[two]) for one, two in graph.edges)


def test_versions_that_share_labels_share_the_node_and_an_unknown_origin_is_left_out() -> None:
    graph = lineage_graph(
        "segmentation", [version(1, label_set="l" * 32), version(2, label_set="l" * 32), version(3)], []
    )
    assert [node.kind for node in graph.nodes].count("labels") == 1
    assert len(graph.edges) == 2
    assert {node.version for node in graph.nodes} == {None, 1, 2, 3}


def test_the_same_scans_with_other_labels_lead_to_their_own_version_only() -> None:
    scans = {"hash_data__segmentation__prepared": "d" * 32}
    versions = [version(number, label_set=str(number) * 32, **scans) for number in (1, 2)]
    graph = lineage_graph("segmentation", versions, [])
    onward = dict(graph.edges)
    assert [onward[onward[f"labels:{str(number) * 32}"]] for number in (1, 2)] == ["v1", "v2"]
