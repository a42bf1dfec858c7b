"""The report on a judged classification model: one page without outside parts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd

from components.operations.drops import finding_drops
from components.operations.error_review import confident_errors
from components.operations.evaluation import Evaluation, IntervalParams
from components.operations.finding_scores import MACRO, FindingScores
from components.volume.geometry import Geometry
from components.volume.volume import Volume
from pipelines.error_pictures import Explain, error_pictures
from pipelines.figures.calibration_curves import draw_calibration_curves
from pipelines.figures.canvas import on_both_papers
from pipelines.figures.drops import draw_drops
from pipelines.figures.roc_curves import draw_roc_curves
from pipelines.render import render


@dataclass(frozen=True, kw_only=True, eq=False)
class JudgedClassifier:
    """An evaluation with what its pages are made from.

    Args:
        evaluation: of a classification model.
        calibration: the content of calibration.json: ``temperature`` and ``thresholds`` by finding, ``source``, and
            where they were fitted here ``rule``, ``positives`` and ``negatives``.
        load: frame_id → volume.
        error_cases: shown per finding, of false alarms and of misses.
        explain: says where the findings of a shown scan come from, ``None`` where the model cannot.
        native: frame_id → the grid of the scan as it was read, whose slices are named, where it is known.
    """

    headline: ClassVar[tuple[str, str, str]] = ("auroc", MACRO, "macro AUROC")

    evaluation: Evaluation
    calibration: Mapping[str, Any]
    load: Callable[[str], Volume]
    error_cases: int
    explain: Explain | None = None
    native: Callable[[str], Geometry | None] = lambda _: None

    @property
    def scores(self) -> FindingScores:
        """Of the findings that can be judged."""
        findings = list(self.evaluation.metrics["findings"])
        return FindingScores.of(self.evaluation.per_patient, findings, self.calibration["thresholds"])

    def drops(self, held_out: pd.DataFrame, params: IntervalParams) -> list[dict[str, Any]]:
        """See ``finding_drops``; ``held_out`` is of the package."""
        thresholds = self.calibration["thresholds"]
        names = list(self.evaluation.metrics["findings"])
        return finding_drops(held_out, self.evaluation.per_patient, names, thresholds, params)

    def write_report(
        self, folder: Path, *, heading: str, eyebrow: str, params: IntervalParams, external: Any = None
    ) -> None:
        """Write ``index.html`` into ``folder``.

        Args:
            heading, eyebrow: of the page.
            params: of the intervals.
            external: JSON-able facts of an external test, see ``pipelines.external_test``, or ``None``.
        """
        folder.mkdir(parents=True, exist_ok=True)
        frames, scores = self.evaluation.frames, self.scores
        errors = confident_errors(
            self.evaluation.per_patient, scores.findings, scores.thresholds, most=self.error_cases
        )
        pictures = error_pictures(errors, self.load, self.explain, self.native)
        page = render(
            "classification.html",
            heading=heading,
            eyebrow=eyebrow,
            level=params.level,
            metrics=self.evaluation.metrics,
            calibration=self.calibration,
            thresholds={name: scores.threshold(name) for name in scores.findings},
            pictures={**self._pictures(params), "drop": _drop_picture(external)},
            errors=errors,
            views=pictures.views,
            strips=pictures.strips,
            failed=[str(frame) for frame in frames[frames["failed"]]["frame_id"]],
            external=external,
        )
        (folder / "index.html").write_text(page)

    def _pictures(self, params: IntervalParams) -> Mapping[str, tuple[bytes, bytes] | None]:
        """Name → PNG for a light and for a dark page; ``None`` without a finding that can be judged."""
        if not self.evaluation.metrics["findings"]:
            return dict.fromkeys(("roc", "calibration"))
        return {
            "roc": on_both_papers(draw_roc_curves(self.scores, self.evaluation.metrics)),
            "calibration": on_both_papers(
                draw_calibration_curves(self.scores, self.calibration["temperature"], params)
            ),
        }


def _drop_picture(external: Any) -> tuple[bytes, bytes] | None:
    metric, mean, _ = JudgedClassifier.headline
    rows = [row for row in external["drop"] if row["metric"] == metric] if external else []
    return on_both_papers(draw_drops(rows, first=mean)) if rows else None
