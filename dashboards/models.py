"""Models: the registry, where a version comes from, what the gate said, and who may be champion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import HTTPException, Request

from components.cohort.task import TASKS, Task
from components.registry.ledger import LedgerEntry
from components.registry.lineage_graph import LineageGraph, Node, lineage_graph
from components.registry.registry import ModelVersion
from dashboards.lineage_drawing import lineage_svg
from dashboards.loop import Loop
from dashboards.overview import last_gate
from dashboards.table import Column, Table, View, query_of
from dashboards.views import Page

_VERSIONS = (
    Column(key="task", title="Task"),
    Column(key="version", title="Version", link="href"),
    Column(key="alias", title="Is", kind="state"),
    Column(key="created_at", title="Registered (UTC)", kind="time"),
    Column(key="parent", title="Champion then", link="parent_href"),
    Column(key="label_set", title="Label set", kind="code"),
    Column(key="gate", title="Gate", kind="state"),
    Column(key="package", title="Package", kind="code"),
)
_ARROWS = (
    Column(key="task", title="Task"),
    Column(key="from_kind", title="From"),
    Column(key="from", title="Which", kind="code"),
    Column(key="to_kind", title="To"),
    Column(key="to", title="Which", kind="code"),
)
_DRAWN = 8
_FACTS = (Column(key="fact", title="Fact"), Column(key="value", title="Value", kind="code"))
_LINEAGE = (
    Column(key="step", title="Step"),
    Column(key="what", title="What", link="href"),
    Column(key="hash", title="Hash", kind="code"),
)
_CHECKS = (
    Column(key="name", title="Rule"),
    Column(key="endpoint", title="Compared"),
    Column(key="stratum", title="Group"),
    Column(key="patients", title="Patients", kind="number"),
    Column(key="mean", title="Mean", kind="number"),
    Column(key="lower", title="Lower bound", kind="number"),
    Column(key="bound", title="Must exceed", kind="number"),
    Column(key="holds", title="Holds"),
)
_HISTORY = (
    Column(key="at", title="When (UTC)", kind="time"),
    Column(key="kind", title="What"),
    Column(key="reason", title="Why"),
    Column(key="by", title="By"),
    Column(key="number", title="Ledger entry", kind="number"),
)


def models_view(request: Request) -> View:
    """Every registered version, newest first, of both tasks."""
    loop: Loop = request.app.state.loop
    query, gates = query_of(request.query_params), loop.ledger.entries("gate")
    rows = [
        _version_row(task, version, gates)
        for task in TASKS
        for version in sorted(
            loop.registry.versions(loop.model_name(task)), key=lambda one: one.version, reverse=True
        )
    ]
    table = Table(
        key="versions", caption="Registered versions", columns=_VERSIONS,
        rows=rows[query.offset : query.offset + query.limit], total=len(rows), offset=query.offset,
        empty="No model is registered yet.",
    )  # fmt: skip
    aliases = {task: _aliases(loop, task) for task in TASKS}
    graphs = {task: graph for task in TASKS if (graph := graph_of(loop, task, gates)).nodes}
    return View(
        title="Models", lead="What was trained, what the gate said, and what is in use.",
        tables=(table, _graph_table(graphs)),
        extra={"aliases": aliases, "drawings": {task: drawing(task, graph) for task, graph in graphs.items()}},
    )  # fmt: skip


def model_view(request: Request) -> View:
    """One version: where it comes from, what the gate compared, what was decided about it."""
    loop: Loop = request.app.state.loop
    task, version = task_of(request), _version(request)
    subject = f"{version.name}/{version.version}"
    entries = loop.ledger.entries("register", "gate", "promote", "rollback", "shadow", "drift")
    gate = last_gate(entries, subject)
    said = (
        f"The gate: {gate.payload['outcome']}, {gate.payload['reason']}."
        if gate
        else "No gate judged it yet."
    )
    tables = (
        Table(
            key="lineage", caption="From labels to this version", columns=_LINEAGE,
            rows=_lineage(loop, task, version),
        ),
        Table(
            key="gate", caption="What the gate compared", columns=_CHECKS,
            rows=gate.payload["checks"] if gate else (), empty="No gate judged it yet.",
        ),
        Table(key="history", caption="What was decided", columns=_HISTORY, rows=_history(entries, version)),
        Table(key="facts", caption="Facts", columns=_FACTS, rows=_facts(version)),
    )  # fmt: skip
    extra = {
        "task": task,
        "version": version,
        "has_gate": loop.report("gate", task, str(version.version)) is not None,
        "has_dossier": loop.report("dossier", task, str(version.version)) is not None,
        "accepted": bool(gate and gate.payload["accepted"]),
    }
    return View(
        title=f"{task.capitalize()}, version {version.version}", lead=said, tables=tables, extra=extra
    )


def graph_of(loop: Loop, task: Task, gates: Sequence[LedgerEntry]) -> LineageGraph:
    """From labels to the champion, of the newest versions and whatever has an alias, newest first."""
    versions = sorted(
        loop.registry.versions(loop.model_name(task)), key=lambda one: one.version, reverse=True
    )
    shown = [one for place, one in enumerate(versions) if place < _DRAWN or one.aliases]
    return lineage_graph(task, shown, gates)


def drawing(task: Task, graph: LineageGraph, *, alone: bool = False) -> str:
    """The graph as SVG; in the page its versions are links."""

    def href(node: Node) -> str | None:
        return f"/models/{task}/{node.version}" if node.version is not None else None

    return lineage_svg(graph, title=f"Lineage of {task}, from labels to the champion", href=href, alone=alone)


def _graph_table(graphs: Mapping[Task, LineageGraph]) -> Table:
    """What the drawings show, an arrow a row."""
    rows = []
    for task, graph in graphs.items():
        known = {node.key: node for node in graph.nodes}
        rows += [
            {
                "task": task, "from_kind": known[one].kind, "from": _said(known[one]),
                "to_kind": known[two].kind, "to": _said(known[two]),
            }
            for one, two in graph.edges
        ]  # fmt: skip
    return Table(
        key="lineage", caption="Lineage, from labels to the champion", columns=_ARROWS, rows=rows,
        empty="No version says what it was made of.",
    )  # fmt: skip


def _said(node: Node) -> str:
    return f"{node.name} {node.state}".strip()


MODELS = Page(path="/models", view=models_view, menu="Models", template="models.html")
MODEL = Page(path="/models/{task}/{version}", view=model_view, template="model.html")


def task_of(request: Request) -> Task:
    """The task in the path, or 404."""
    asked = request.path_params["task"]
    for task in TASKS:
        if task == asked:
            return task
    raise HTTPException(404, "There is no such task.")


def _version(request: Request) -> ModelVersion:
    loop: Loop = request.app.state.loop
    task, asked = task_of(request), request.path_params["version"]
    found = (v for v in loop.registry.versions(loop.model_name(task)) if str(v.version) == asked)
    if (version := next(found, None)) is None:
        raise HTTPException(404, "There is no such version.")
    return version


def _version_row(task: Task, version: ModelVersion, gates: Sequence[LedgerEntry]) -> dict[str, Any]:
    gate = last_gate(gates, f"{version.name}/{version.version}")
    parent = _parent(version)
    return {
        "task": task,
        "version": version.version,
        "href": f"/models/{task}/{version.version}",
        "alias": ", ".join(version.aliases) or None,
        "created_at": version.created_at,
        "parent": parent,
        "parent_href": parent and f"/models/{task}/{parent}",
        "label_set": _short(version.tags.get("label_set")),
        "gate": gate.payload["outcome"] if gate else None,
        "package": _short(version.package_hash),
    }


def _aliases(loop: Loop, task: Task) -> dict[str, int]:
    versions = loop.registry.versions(loop.model_name(task))
    return {alias: version.version for version in versions for alias in version.aliases}


def _parent(version: ModelVersion) -> str | None:
    """The number of the champion of the time, from ``NAME/VERSION``."""
    return version.tags.get("parent", "").rpartition("/")[2] or None


def _lineage(loop: Loop, task: Task, version: ModelVersion) -> list[dict[str, Any]]:
    """Labels, data and code of this version, then the champions before it, each trained on its own labels."""
    tags, known = version.tags, {v.version: v for v in loop.registry.versions(version.name)}
    steps = [
        ("labels", "label set", tags.get("label_set")), ("code", "git commit", tags.get("git_commit")),
        ("teacher", "pseudo-labels", tags.get("teacher_fingerprint")),
    ]  # fmt: skip
    rows = [{"step": step, "what": what, "hash": _short(value)} for step, what, value in steps if value]
    rows.append(
        {"step": "this version", "what": f"version {version.version}", "hash": _short(version.package_hash)}
    )
    parent = _parent(version)
    while parent and parent.isdigit() and int(parent) in known:
        before = known.pop(int(parent))  # popped: a lineage that runs in a circle ends
        rows.append(
            {
                "step": "champion of its time",
                "what": f"version {before.version}",
                "href": f"/models/{task}/{before.version}",
                "hash": _short(before.package_hash),
            }
        )
        parent = _parent(before)
    return rows


def _history(entries: Sequence[LedgerEntry], version: ModelVersion) -> list[dict[str, Any]]:
    subject = f"{version.name}/{version.version}"
    ours = [
        e for e in entries
        if e.subject == subject or (e.kind == "rollback" and e.payload.get("from") == version.version
                                    and e.subject.rpartition("/")[0] == version.name)
    ]  # fmt: skip
    return [
        {
            "at": entry.at,
            "kind": "left by rollback" if entry.subject != subject else _kind(entry),
            "reason": entry.payload.get("reason") or entry.payload.get("batch"),
            "by": entry.payload.get("by"),
            "number": entry.number,
        }
        for entry in reversed(ours)
    ]


def _kind(entry: LedgerEntry) -> str:
    words: Mapping[str, str] = {"gate": "outcome", "drift": "kind"}
    return f"{entry.kind}: {entry.payload[words[entry.kind]]}" if entry.kind in words else entry.kind


def _facts(version: ModelVersion) -> list[dict[str, Any]]:
    facts = {"package_hash": version.package_hash, "registered_at": version.created_at, **version.tags}
    return [{"fact": key.replace("_", " "), "value": value} for key, value in sorted(facts.items())]


def _short(value: str | None) -> str | None:
    return value[:12] if value else None
