"""The page of a gate's verdict, and the same as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from components.adapters.whole_file import write_whole
from components.cohort.task import Task
from components.registry.verdict import Verdict

UNITS: dict[Task, str] = {"segmentation": "mean Dice", "classification": "1 − Brier score"}
_SHOWN = 10
_COSTS = {
    "calibration": "calibration error",
    "temporal": "temporal roughness",
    "latency": "seconds per frame",
    "memory": "peak memory, MB",
}


def write_gate_page(folder: Path, verdict: Verdict, task: Task) -> Path:
    """``index.html`` and ``verdict.json`` in ``folder``; the page's path."""
    content = verdict.as_json()
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / "verdict.json", json.dumps(content, indent=1, sort_keys=True) + "\n")
    page = folder / "index.html"
    write_whole(page, gate_page(content, task))
    return page


def gate_page(verdict: Mapping[str, Any], task: Task) -> str:
    """HTML of ``Verdict.as_json()``; everything is in the one file."""
    from pipelines.figures.canvas import on_both_papers
    from pipelines.figures.gate_forest import draw_gate_forest, label_of
    from pipelines.figures.gate_pairs import draw_gate_pairs
    from pipelines.render import render

    checks, paired = verdict["checks"], verdict["context"].get("champion") is not None
    compared = [c for c in checks if c["name"] in ("non-inferiority", "superiority", "floor")]
    pictures = {}
    if any(check["name"] == "non-inferiority" for check in checks):
        pictures = {
            "forest": on_both_papers(draw_gate_forest(checks)),
            "pairs": on_both_papers(draw_gate_pairs(verdict["patients"], unit=UNITS[task])),
        }
    return render(
        "gate.html",
        verdict=verdict,
        unit=UNITS[task],
        conditions=[_condition(check) for check in checks if check["name"] in _CONDITIONS],
        compared=[{**check, "label": label_of(check)} for check in compared],
        costs=[{**check, "label": _COSTS[check["name"]]} for check in checks if check["name"] in _COSTS],
        worst=_worst(verdict["patients"]) if paired else [],
        pictures=pictures,
    )


_CONDITIONS = ("leak", "lineage", "evidence", "failure")


def _condition(check: Mapping[str, Any]) -> dict[str, Any]:
    """What must hold before anything is compared, in words."""
    words = {
        "leak": f"test patients that a model was trained on: {check['patients']}",
        "lineage": "where the challenger comes from is "
        + (f"not all known, it lacks {', '.join(check['missing'])}" if check["missing"] else "known"),
        "evidence": f"test patients{'' if check['stratum'] == 'all' else ' of ' + check['stratum']}: "
        f"{check['patients']}, needed: {check['bound'] or 0:.0f}",
        "failure": f"test patients on whom the champion failed: {check['patients']}",
    }
    return {"words": words[check["name"]], "holds": check["holds"]}


def _worst(patients: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those who lose most, the largest loss first."""
    rows = [{**p, "difference": p["challenger"] - p["champion"]} for p in patients]
    return sorted(rows, key=lambda row: float(row["difference"]))[:_SHOWN]
