"""The gate's evidence: each test patient's score under the champion and under the challenger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from pipelines.figures.canvas import COLOURS, new_figure


def draw_gate_pairs(patients: Sequence[Mapping[str, Any]], *, unit: str) -> Figure:
    """One point per patient, coloured by stratum; above the diagonal the challenger is better.

    Args:
        patients: mappings with ``stratum``, ``champion`` (or ``None``) and ``challenger``.
        unit: what a score is.
    """
    figure = new_figure(4.2, 4.0)
    axes = figure.add_subplot()
    paired = [patient for patient in patients if patient["champion"] is not None]
    for index, stratum in enumerate(sorted({str(patient["stratum"]) for patient in paired})):
        of_stratum = [patient for patient in paired if patient["stratum"] == stratum]
        axes.scatter(
            [float(patient["champion"]) for patient in of_stratum],
            [float(patient["challenger"]) for patient in of_stratum],
            s=22, alpha=0.85, color=COLOURS[index % len(COLOURS)], label=f"{stratum} ({len(of_stratum)})",
        )  # fmt: skip
    values = [float(patient[who]) for patient in paired for who in ("champion", "challenger")]
    low, high = (min(values) - 0.02, max(values) + 0.02) if values else (0.0, 1.0)
    axes.plot((low, high), (low, high), color="0.6", linewidth=1)
    axes.set(xlim=(low, high), ylim=(low, high), xlabel=f"champion, {unit}", ylabel=f"challenger, {unit}")
    axes.set_aspect("equal")
    if paired:
        axes.legend(fontsize=8, title="arrived in batch", title_fontsize=8)
    return figure
