"""Job: which slices of one prepared scan made the classifier say what it says, as a page with pictures and as data."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from components.adapters.parquet import read_parquet
from components.cohort.task import Task
from components.errors import ParameterError, StateError
from components.models.prediction import Predictor
from components.models.relevance import Explainer, Relevance
from components.operations.deletion import ControlName, Deletion, DeletionParams, delete
from components.operations.register_model import subject_of
from components.registry.registry import ModelVersion, Registry
from components.volume.volume import Volume
from pipelines.figures.canvas import on_both_papers
from pipelines.figures.relevance_strip import draw_relevance
from pipelines.figures.windows import WINDOWS_HU
from pipelines.progress import write_json
from pipelines.render import render
from pipelines.whole_folder import whole_folder
from pipelines.workspace import Workspace

TASK: Task = "classification"
_AT_MOST = 6  # findings on a page
_OTHERWISE = 3  # the most probable ones, where none is called


def where_to_look(
    workspace: Workspace,
    version: ModelVersion,
    case: str,
    *,
    finding: str | None,
    out: Path | None,
    registry: Registry,
    load_predictor: Callable[[Path], Predictor],
) -> dict[str, Any]:
    """The result, which lies in ``out`` too, with a page and its picture.

    Args:
        case: case_id or frame_id of a prepared scan.
        finding: of the model; those that it calls unless given, or the most probable ones when it calls none.
        out: a new or empty folder, or one of this job; in the reports unless given.

    Raises ``ParameterError`` for a case, finding or folder that will not do.
    """
    frame = prepared_frame(prepared_frames(workspace), case)
    folder = (
        out.resolve() if out else workspace.reports / "where-to-look" / f"{TASK}-{version.version}-{frame}"
    )
    _refuse_foreign(folder)
    explainer = explainer_of(load_predictor(registry.fetch(version)))
    relevance = explainer.explain(load_prepared(workspace, frame))
    shown = shown_findings(relevance, explainer.thresholds, finding)
    volume, native = _native_scan(workspace, frame)
    params = DeletionParams()
    deleted = delete(relevance, shown, params, seed=[params.seed])
    result = {
        "model_version": subject_of(version),
        "package_hash": version.package_hash,
        "frame_id": frame,
        "slices_of": "the scan as it was read" if native else "the prepared scan",
        "deleted_share": params.share,
        "random_draws": params.draws,
        "findings": [
            _row(relevance, name, explainer.thresholds[name], volume, deleted[name]) for name in shown
        ],
    }
    pictures = on_both_papers(draw_relevance(volume, relevance, shown, window_hu=WINDOWS_HU[TASK]))
    with whole_folder(folder) as unfinished:
        (unfinished / "relevance.png").write_bytes(pictures[0])
        (unfinished / "relevance-dark.png").write_bytes(pictures[1])
        write_json(unfinished / "result.json", result)
        page = render("where_to_look.html", pictures=pictures, **result)
        (unfinished / "index.html").write_text(page)
    return {**result, "report": str(folder / "index.html")}


def shown_findings(
    relevance: Relevance, thresholds: Mapping[str, float], finding: str | None = None
) -> list[str]:
    """The findings to draw, the most probable first."""
    if finding is not None:
        relevance.of(finding)
        return [finding]
    ranked = sorted(relevance.findings, key=lambda name: -relevance.probabilities[name])
    called = [name for name in ranked if relevance.probabilities[name] >= thresholds[name]]
    return called[:_AT_MOST] or ranked[:_OTHERWISE]


def prepared_frames(workspace: Workspace) -> pd.DataFrame:
    """frames.parquet of the prepared scans; ``StateError`` when there is none."""
    try:
        return read_parquet(workspace.prepared(TASK) / "frames.parquet")
    except OSError as error:
        raise StateError(
            expected=f"prepared scans for {TASK}", got="none", hint="`ctloop add`, then `ctloop prepare`"
        ) from error


def prepared_frame(frames: pd.DataFrame, case: str) -> str:
    """The frame of this name, or the one of this case; ``ParameterError`` when there is none, or several."""
    if case in set(frames["frame_id"]):
        return case
    found = [str(frame) for frame in frames[frames["case_id"] == case]["frame_id"]]
    if len(found) == 1:
        return found[0]
    others = found or [str(name) for name in frames["case_id"]]
    raise ParameterError(
        expected="a prepared case or frame",
        got=f"{case!r}, a case of {len(found)} frames" if found else f"the unknown {case!r}",
        hint=", ".join(others[:3]) + (" …" if len(others) > 3 else ""),
    )


def explainer_of(predictor: Predictor) -> Explainer:
    """``StateError`` for a model that cannot say where its findings come from."""
    if not isinstance(predictor, Explainer):
        raise StateError(
            expected="a classifier that explains its findings", got=predictor.task, hint="a CT-Scroll package"
        )
    return predictor


def load_prepared(workspace: Workspace, frame: str) -> Volume:
    """The prepared volume of a frame."""
    from components.adapters.blosc_store import load_volume

    return load_volume(workspace.prepared(TASK) / "frames" / f"{frame}.b2nd")


def headline(result: Mapping[str, Any]) -> str:
    """A line per finding, for a person."""
    return "\n".join(
        f"{item['finding']}: probability {item['probability']:.2f}"
        f"{'' if item['called'] else ' (not called)'}, slice {item['slice']['number']} of {item['slice']['count']}, "
        f"counted from the {item['slice']['counted_from']}; "
        f"without the most relevant slices it falls by {item['scattered']['drop']:.3f}, "
        f"without random ones by {item['scattered']['random_drop']:.3f}"
        for item in result["findings"]
    )


def _native_scan(workspace: Workspace, frame: str) -> tuple[Volume, bool]:
    """The scan as it was read, whose slices its readers count; where it is gone, the prepared one."""
    from components.adapters.blosc_store import load_volume

    path = workspace.ingested(TASK) / "volumes" / f"{frame}.b2nd"
    return (load_volume(path), True) if path.is_file() else (load_prepared(workspace, frame), False)


def _row(
    relevance: Relevance,
    finding: str,
    threshold: float,
    volume: Volume,
    deleted: Mapping[ControlName, Deletion],
) -> dict[str, Any]:
    place, probability = relevance.place(finding, volume.geometry), relevance.probabilities[finding]
    return {
        "finding": finding,
        "probability": probability,
        "threshold": threshold,
        "called": probability >= threshold,
        "of_air": relevance.of_air[finding],
        "air_called": relevance.of_air[finding] >= threshold,
        "slice": {
            "index": place.index,
            "number": place.number,
            "count": place.count,
            "first_number": place.first + 1,
            "last_number": place.last + 1,
            "position_mm": place.position_mm,
            "counted_from": "feet" if place.from_feet else "head",
        },
        "triplet": relevance.top(finding),
        "relevance": _rounded(relevance.of(finding).tolist()),
        **{name: vars(item) for name, item in deleted.items()},
    }


def _rounded(values: Sequence[float]) -> list[float]:
    return [round(value, 6) for value in values]


def _refuse_foreign(folder: Path) -> None:
    """It is replaced as a whole, so it must not be somebody's folder of other things."""
    if (
        folder.exists()
        and not (folder / "result.json").is_file()
        and (folder.is_file() or any(folder.iterdir()))
    ):
        raise ParameterError(
            expected="a new or empty folder for the report", got=f"{folder.name!r}", hint="--out NEW-FOLDER"
        )
