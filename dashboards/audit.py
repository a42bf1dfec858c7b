"""Audit: who did what, and what was decided; newest first."""

from __future__ import annotations

import json

from fastapi import Request

from dashboards.loop import Loop
from dashboards.table import Column, Table, View, query_of
from dashboards.views import Page

_LINES = (
    Column(key="at", title="When (UTC)", kind="time"),
    Column(key="actor", title="Who"),
    Column(key="action", title="Did"),
    Column(key="subject", title="To"),
    Column(key="detail", title="Detail", kind="code"),
)
_ENTRIES = (
    Column(key="number", title="Entry", kind="number"),
    Column(key="at", title="When (UTC)", kind="time"),
    Column(key="kind", title="Decided"),
    Column(key="subject", title="About"),
    Column(key="by", title="By"),
    Column(key="reason", title="Why"),
    Column(key="sha256", title="Seal", kind="code"),
)


def audit_view(request: Request) -> View:
    """The audit log, and the ledger without its answers."""
    loop: Loop = request.app.state.loop
    query = query_of(request.query_params)
    lines, of_lines = loop.history.audit(limit=query.limit, offset=query.offset)
    entries, of_entries = loop.history.decisions(limit=query.limit, offset=query.offset)
    tables = (
        Table(
            key="audit", caption="Audit log", columns=_LINES, total=of_lines, offset=query.offset,
            rows=[{**line, "detail": json.dumps(line["detail"], sort_keys=True)} for line in lines],
        ),
        Table(
            key="ledger", caption="Ledger", columns=_ENTRIES, total=of_entries, offset=query.offset,
            rows=[
                {
                    **entry, "by": entry["payload"].get("by"), "reason": entry["payload"].get("reason"),
                    "sha256": entry["sha256"][:12],
                }
                for entry in entries
            ],
        ),
    )  # fmt: skip
    return View(
        title="Audit",
        lead="Nothing here can be changed or deleted; each entry of the ledger seals all before it.",
        tables=tables,
    )


AUDIT = Page(path="/audit", view=audit_view, menu="Audit", role="admin")
