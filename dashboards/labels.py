"""Labels: what is asked and why, who answered, what it took, and the data versions it became."""

from __future__ import annotations

from typing import Any

from fastapi import Request

from components.labeling.request_words import REASON_WORDS
from dashboards.loop import Loop
from dashboards.table import Column, Table, View
from dashboards.views import Page

_ASKED = (
    Column(key="task", title="Task"),
    Column(key="reason", title="Why"),
    Column(key="open", title="Open", kind="number", link="href"),
    Column(key="open_minutes", title="Minutes asked for", kind="number"),
    Column(key="answered", title="Answered", kind="number"),
    Column(key="cancelled", title="Cancelled", kind="number"),
)
_READERS = (
    Column(key="task", title="Task"),
    Column(key="annotator", title="Who"),
    Column(key="answers", title="Answers", kind="number"),
    Column(key="minutes", title="Minutes spent", kind="number"),
    Column(key="per_answer", title="Minutes per answer", kind="number"),
    Column(key="timed", title="Answers with minutes", kind="number"),
    Column(key="last", title="Last (UTC)", kind="time"),
)
_VERSIONS = (
    Column(key="at", title="When (UTC)", kind="time"),
    Column(key="task", title="Task"),
    Column(key="version", title="Data version", kind="code"),
    Column(key="answers", title="Answers in it", kind="number"),
    Column(key="added", title="New requests answered", kind="number"),
)
_SHOWN = 50


def labels_view(request: Request) -> View:
    """Requests by reason, answers by reader, data versions newest first."""
    loop: Loop = request.app.state.loop
    versions = list(reversed(loop.ledger.entries("label_set")))
    tables = (
        Table(
            key="asked", caption="What is asked, and why", columns=_ASKED, rows=_asked(loop),
            empty="Nothing was asked.",
        ),
        Table(
            key="readers", caption="Who answered", columns=_READERS,
            rows=[
                {**row, "per_answer": row["minutes"] / row["timed"] if row["timed"] else None}
                for row in loop.history.answered()
            ],
            empty="No answer yet.",
        ),
        Table(
            key="versions", caption="Data versions of the answers", columns=_VERSIONS,
            rows=[
                {
                    "at": entry.at, "task": entry.subject, "version": entry.payload["version"][:16],
                    "answers": entry.payload["answers"], "added": len(entry.payload["requests"]),
                }
                for entry in versions[:_SHOWN]
            ],
            empty="No data version yet.",
        ),
    )  # fmt: skip
    return View(
        title="Labels", lead="What experts are asked, and what their answers took and became.", tables=tables
    )


LABELS = Page(path="/labels", view=labels_view, menu="Labels")


def _asked(loop: Loop) -> list[dict[str, Any]]:
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for found in loop.history.asked():
        key = (found["task"], found["reason"])
        row = rows.setdefault(
            key,
            {
                "task": key[0], "reason": REASON_WORDS[key[1]], "open": 0, "answered": 0, "cancelled": 0,
                "open_minutes": 0.0, "href": f"/requests?status=open&task={key[0]}",
            },
        )  # fmt: skip
        row[found["status"]] = found["requests"]
        if found["status"] == "open":
            row["open_minutes"] = found["budget_minutes"]
    return list(rows.values())
