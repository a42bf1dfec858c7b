"""The report on a judged segmentation model: one page without outside parts, and its cines as files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd

from components.models.prediction import FRAME_ERRORS
from components.operations.drops import structure_drops
from components.operations.evaluate_segmentation import MEAN
from components.operations.evaluation import Evaluation, IntervalParams
from components.operations.segmentation_frames import DICE
from components.volume.volume import LabelMap, Volume
from pipelines.figures.canvas import on_both_papers
from pipelines.figures.cine import Cine, CineFrame, draw_cine
from pipelines.figures.overlays import Overlay, draw_overlays
from pipelines.figures.structure_errors import draw_structure_errors
from pipelines.figures.volume_curves import draw_volume_curves
from pipelines.figures.windows import WINDOWS_HU
from pipelines.render import render

_WINDOW_HU = WINDOWS_HU["segmentation"]


@dataclass(frozen=True, kw_only=True, eq=False)
class JudgedModel:
    """An evaluation with what its pictures are drawn from.

    Args:
        evaluation: of a segmentation model.
        structures: names of label values 1, 2, …
        load, expert, predicted: frame_id → volume, and label maps or ``None``, on one grid.
    """

    headline: ClassVar[tuple[str, str, str]] = ("dice", MEAN, "mean Dice")

    evaluation: Evaluation
    structures: tuple[str, ...]
    load: Callable[[str], Volume]
    expert: Callable[[str], LabelMap | None]
    predicted: Callable[[str], LabelMap | None]

    @property
    def frames(self) -> pd.DataFrame:
        """The frames that the model could predict."""
        table = self.evaluation.frames
        return table[~table["failed"]]

    def drops(self, held_out: pd.DataFrame, params: IntervalParams) -> list[dict[str, Any]]:
        """See ``structure_drops``; ``held_out`` is of the package."""
        return structure_drops(held_out, self.evaluation.per_patient, self.structures, params)

    def write_report(
        self, folder: Path, *, heading: str, eyebrow: str, params: IntervalParams, external: Any = None
    ) -> None:
        """Write ``index.html``, ``cine-RANK.webp`` and ``cine-RANK.png`` (its still) into ``folder``.

        Args:
            heading, eyebrow: of the page.
            params: of the intervals.
            external: JSON-able facts of an external test, see ``pipelines.external_test``, or ``None``.
        """
        folder.mkdir(parents=True, exist_ok=True)
        cines = list(_cines(self))
        for rank, _, cine in cines:
            (folder / f"cine-{rank}.webp").write_bytes(cine.animation)
            (folder / f"cine-{rank}.png").write_bytes(cine.still)
        page = render(
            "segmentation.html",
            heading=heading,
            eyebrow=eyebrow,
            level=params.level,
            metrics=self.evaluation.metrics,
            structures=list(self.structures),
            cines=cines,
            pictures=_pictures(self),
            failed=_failed(self),
            external=external,
        )
        (folder / "index.html").write_text(page)


def judged_overlays(judged: JudgedModel) -> Iterator[Overlay]:
    """Worst, median and best judged frame by mean Dice."""
    dice = judged.frames[judged.frames["judged"]].set_index("frame_id")[f"{DICE}{MEAN}"].dropna()
    for rank, frame in _telling(dice):
        predicted, expert = judged.predicted(frame), judged.expert(frame)
        if predicted is not None and expert is not None:
            caption = f"{rank}: {frame}, Dice {dice[frame]:.2f}"
            yield Overlay(caption=caption, volume=judged.load(frame), predicted=predicted, expert=expert)


def _pictures(judged: JudgedModel) -> Mapping[str, tuple[bytes, bytes] | None]:
    """Name → PNG for a light and for a dark page; ``None`` where there is nothing to draw."""
    evaluation = judged.evaluation
    pictures: dict[str, tuple[bytes, bytes] | None] = dict.fromkeys(("errors", "curves", "overlays"))
    if len(evaluation.per_patient):
        pictures["errors"] = on_both_papers(draw_structure_errors(evaluation.per_patient, judged.structures))
    if judged.frames["phase_percent"].notna().any():
        pictures["curves"] = on_both_papers(draw_volume_curves(evaluation.frames, judged.structures))
    if overlays := list(judged_overlays(judged)):
        pictures["overlays"] = on_both_papers(draw_overlays(overlays, window_hu=_WINDOW_HU))
    return pictures


def _cines(judged: JudgedModel) -> Iterator[tuple[str, str, Cine]]:
    """(rank, case, pictures) of the worst, median and best case; without expert labels, of the first one."""
    table = judged.frames.dropna(subset=["phase_percent"])
    sizes = table.groupby("case_id")["frame_id"].size()
    cases = table[table["case_id"].isin(sizes[sizes > 1].index)]
    dice = cases[cases["judged"]].groupby("case_id")[f"{DICE}{MEAN}"].mean().dropna()
    chosen = list(_telling(dice)) or [("first", str(case)) for case in cases["case_id"].iloc[:1]]
    for rank, case in chosen:
        score = f", mean Dice {dice[case]:.2f}" if case in dice else ", no expert label"
        caption = f"{rank} case {case[:16]}{score}"
        frames = _cine_frames(judged, case)
        yield rank, case, draw_cine(frames, judged.structures, caption=caption, window_hu=_WINDOW_HU)


def _cine_frames(judged: JudgedModel, case: str) -> Iterator[CineFrame]:
    table = judged.evaluation.frames
    cine = table[(table["case_id"] == case) & table["phase_percent"].notna()].sort_values("phase_percent")
    for frame, phase, drawn in zip(cine["frame_id"], cine["phase_percent"], cine["judged"], strict=True):
        try:
            volume = judged.load(frame)
        except FRAME_ERRORS:
            continue  # the page names it among the frames that failed
        expert = judged.expert(frame) if drawn else None
        yield CineFrame(
            phase_percent=float(phase), volume=volume, predicted=judged.predicted(frame), expert=expert
        )


def _telling(scores: pd.Series[float]) -> Iterator[tuple[str, str]]:
    """(worst, name), (median, name), (best, name) of three or more; of fewer, what there is."""
    order = [str(name) for name in scores.sort_values(kind="stable").index]
    if len(order) == 1:
        yield "only", order[0]
    elif order:
        yield "worst", order[0]
        if len(order) > 2:
            yield "median", order[len(order) // 2]
        yield "best", order[-1]


def _failed(judged: JudgedModel) -> list[str]:
    table = judged.evaluation.frames
    return [str(frame) for frame in table[table["failed"]]["frame_id"]]
