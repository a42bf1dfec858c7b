"""Job: the deletion test of a registered classifier's relevance, on the held-out scans of this workspace."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from components.errors import ParameterError, StateError
from components.models.prediction import FRAME_ERRORS, Predictor
from components.models.relevance import Explainer, Relevance
from components.operations.deletion import LEVELS, DeletionParams
from components.operations.deletion_test import deletion_test
from components.operations.register_model import subject_of
from components.registry.registry import ModelVersion, Registry
from pipelines.held_out import frames_of
from pipelines.progress import bar, say, write_json
from pipelines.where_to_look import TASK, explainer_of, load_prepared
from pipelines.workspace import Workspace


def relevance_check(
    workspace: Workspace,
    version: ModelVersion,
    level: str,
    *,
    registry: Registry,
    load_predictor: Callable[[Path], Predictor],
    params: DeletionParams = DeletionParams(),  # noqa: B008  frozen
) -> dict[str, Any]:
    """The result, which lies in the reports too. A scan that fails is named and left out.

    Args:
        level: ``features`` or ``slices``; the second runs the whole network for each deletion.
    """
    known = next((name for name in LEVELS if name == level), None)
    if known is None:
        raise ParameterError(expected="a level", got=repr(level), hint=" or ".join(LEVELS))
    if not workspace.split(TASK).is_file():
        raise StateError(expected="held-out scans", got="scans that were never split", hint="`ctloop split`")
    explainer = explainer_of(load_predictor(registry.fetch(version)))
    test = deletion_test(
        _explained(workspace, explainer),
        explainer.label_names,
        explainer.thresholds,
        replace(params, level=known),
    )
    result = {"model_version": subject_of(version), "package_hash": version.package_hash, **test.as_json()}
    path = workspace.reports / "where-to-look" / f"{TASK}-{version.version}-deletion-{level}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, result)
    return {**result, "report": str(path)}


def check_table(result: Mapping[str, Any]) -> str:
    """A line per finding, for a person."""
    lines = []
    for item in result["findings"]:
        if item["note"]:
            lines.append(f"{item['finding']}: {item['note']}")
            continue
        parts = [
            f"{name} {item[name]['drop']:+.3f} against {item[name]['random_drop']:+.3f}, "
            f"p {item[name]['p_value']:.4f} (Holm {item[name]['p_holm']:.4f})"
            for name in ("scattered", "block")
        ]
        lines.append(f"{item['finding']}, {item['patients']} patients: " + "; ".join(parts))
    return "\n".join(lines)


def _explained(workspace: Workspace, explainer: Explainer) -> Iterator[tuple[str, Relevance]]:
    frames = frames_of(workspace, TASK, "test").sort_values("frame_id")
    progress = bar("deletion test")
    for done, (frame, patient) in enumerate(zip(frames["frame_id"], frames["patient_id"], strict=True), 1):
        try:
            relevance = explainer.explain(load_prepared(workspace, str(frame)))
        except FRAME_ERRORS as error:
            say(f"  left out {frame}: {error}")
        else:
            yield str(patient), relevance
        progress(done, len(frames))
