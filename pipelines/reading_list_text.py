"""The reading list at a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_MEANS = {"wait_positive": "mean wait of positive studies", "wait_negative": "mean wait of negative studies"}
_TOLD = {
    "backlog": _MEANS | {"read_100": "until the last positive study is read"},
    "queue": _MEANS | {"longest_positive": "longest wait of a positive study"},
}


def as_text(result: Mapping[str, Any]) -> str:
    """For a person at a terminal: the list in columns, the notes, and what the simulation says."""
    shown = [("rank", "case", "batch", "acquired", "urgency", "why")]
    shown += [
        (
            str(row["rank"]),
            row["case_id"],
            row["batch"],
            row["acquired_at"] or "?",
            ("blind" if row["blinded"] else "?") if row["urgency"] is None else f"{row['urgency']:.3g}",
            "; ".join(filter(None, (row["reason"], why(row["findings"])))),
        )
        for row in result["list"]
    ]
    widths = [max(len(line[column]) for line in shown) for column in range(len(shown[0]))]
    table = [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in shown
    ]
    head = f"{result['unread']} unread studies, {len(result['list'])} shown; urgency by {result['model_version']}"
    told = headline(result["simulation"]) if result["simulation"] else []
    return "\n".join([head, *(table if result["list"] else []), *result["notes"], *told])


def why(findings: list[dict[str, Any]]) -> str:
    """``emphysema 0.93, lung nodule 0.41 × 2``: probability, and the weight where it is not 1."""
    words = []
    for one in findings:
        weight = one["contribution"] / one["probability"]
        times = "" if abs(weight - 1) < 1e-9 else f" × {weight:g}"
        words.append(f"{one['finding'].replace('_', ' ')} {one['probability']:.2f}{times}")
    return ", ".join(words)


def headline(simulation: Mapping[str, Any]) -> list[str]:
    """Mean waits of positive and negative studies, and the longest of a positive one, under both orders."""
    lines = [
        f"simulated on {simulation['studies']} held-out studies of {simulation['patients']} patients "
        f"({simulation['positive']} positive), minutes by urgency against first in, first out:"
    ]
    for setting in ("backlog", "queue"):
        part = simulation[setting]
        for metric, title in _TOLD[setting].items():
            ours, fifo = (part["orders"][order][metric]["value"] for order in ("urgency", "fifo"))
            if ours is not None and fifo is not None:
                verdict = part["difference"][metric]["verdict"]
                lines.append(f"  {setting}, {title}: {ours:.0f} against {fifo:.0f}, {verdict}")
    return lines
