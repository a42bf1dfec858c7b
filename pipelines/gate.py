"""Job: judge the challenger against the champion on the frozen expert test set."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from components.cohort.task import Task
from components.errors import StateError
from components.models.prediction import Predictor
from components.operations.expert_frames import ExpertFrame, FrameScore, ScoreCache
from components.operations.register_model import subject_of
from components.operations.run_gate import Candidate, run_gate
from components.registry.gate_limits import Traits
from components.registry.gate_params import GateParams
from components.registry.ledger import Ledger
from components.registry.lineage_check import lineage_gaps
from components.registry.package import LINEAGE
from components.registry.registry import ModelVersion, Registry
from components.registry.verdict import Verdict, finite
from pipelines.footprint import Measure, footprints
from pipelines.gate_page import write_gate_page
from pipelines.held_out import expert_frames
from pipelines.params import load_section
from pipelines.progress import bar, write_json
from pipelines.workspace import Workspace


def gate(
    workspace: Workspace,
    task: Task,
    registry: Registry,
    ledger: Ledger,
    *,
    name: str,
    load_predictor: Callable[[Path], Predictor],
    challenger: ModelVersion | None = None,
    measured: bool = True,
) -> Verdict:
    """The verdict, which the ledger keeps too, and its page; a refusal is an outcome, not an error.

    Args:
        name: of the registered model.
        load_predictor: package folder → predictor.
        challenger: judge this version instead of the one with the alias (the champion against itself, say).
        measured: whether seconds and memory of both packages are measured, in a process each.

    Raises ``StateError`` when there is nothing to judge or a package was tampered with.
    """
    params = load_section(GateParams, workspace.params, "gate", task)
    version = challenger or registry.by_alias(name, "challenger")
    if version is None:
        raise StateError(expected=f"a challenger of {name}", got="none", hint="`ctloop register`")
    champion = registry.by_alias(name, "champion")
    judged = [found for found in (version, champion) if found is not None]
    folders = {found.version: registry.fetch(found) for found in judged}
    cache = _read_cache(workspace, task)
    frames = expert_frames(workspace, task)
    measure = _measure(workspace, task, frames) if measured and champion is not None else None
    verdict = run_gate(
        task=task,
        challenger=candidate_of(version, folders[version.version], load_predictor, measure),
        champion=(
            None
            if champion is None
            else candidate_of(champion, folders[champion.version], load_predictor, measure)
        ),
        frames=frames,
        training_patients=set().union(*(training_patients(folder) for folder in folders.values())),
        params=params,
        ledger=ledger,
        context={"test_set": test_set_hash(frames)},
        cache=cache,
        progress=bar(f"gate {task}"),
    )
    _write_cache(workspace, task, cache)
    folder = gate_folder(workspace, task, version.version)
    if champion is not None and champion.version == version.version:
        folder = folder.with_name(f"{folder.name}-against-itself")  # its own verdict stays
    write_gate_page(folder, verdict, task)
    return verdict


def gate_folder(workspace: Workspace, task: Task, version: int) -> Path:
    """Where the page and the JSON of a version's last gate lie."""
    return workspace.reports / "gate" / task / str(version)


def test_set_hash(frames: Sequence[ExpertFrame]) -> str:
    """sha256 of the frames and truths that judged, in any order."""
    return hashlib.sha256("".join(sorted(frame.fingerprint for frame in frames)).encode()).hexdigest()


def training_patients(package: Path) -> tuple[str, ...]:
    """Pseudonyms of the patients that the package's lineage says it was trained on."""
    return tuple(read_lineage(package)["training_patients"])


def read_lineage(package: Path) -> dict[str, Any]:
    """The package's lineage.json."""
    found: dict[str, Any] = json.loads((package / LINEAGE / "lineage.json").read_text())
    return found


def candidate_of(
    version: ModelVersion,
    package: Path,
    load_predictor: Callable[[Path], Predictor],
    measure: Measure | None,
) -> Candidate:
    """A registered version with all that a gate asks of it; ``measure``: see ``pipelines.footprint``."""
    traits = measure(package, version.package_hash) if measure is not None else Traits()
    archived = [path.name for path in (package / LINEAGE).iterdir()]
    return Candidate(
        name=subject_of(version),
        package_hash=version.package_hash,
        predictor=load_predictor(package),
        traits=dataclasses.replace(traits, roughness=_roughness(package)),
        lineage_gaps=lineage_gaps(read_lineage(package), archived),
    )


def _roughness(package: Path) -> float | None:
    """Mean over structures of the temporal roughness that ``evaluate`` measured on whole cines."""
    temporal = json.loads((package / "metrics.json").read_text()).get("temporal", {})
    values = [item["value"] for item in temporal.get("roughness", {}).values() if item["value"] is not None]
    return sum(values) / len(values) if values else None


def _measure(workspace: Workspace, task: Task, frames: Sequence[ExpertFrame]) -> Measure | None:
    """On the first frame of the test set."""
    if not frames:
        return None
    frame = workspace.prepared(task) / "frames" / f"{frames[0].frame_id}.b2nd"
    return footprints(frame, workspace.state / "gate-scores" / "footprints.json")


def _cache_file(workspace: Workspace, task: Task) -> Path:
    """Scores of frames by package and content: the champion's are asked for at each gate anew."""
    return workspace.state / "gate-scores" / f"{task}-2.json"


def _read_cache(workspace: Workspace, task: Task) -> ScoreCache:
    path = _cache_file(workspace, task)
    if not path.is_file():
        return {}
    stored: dict[str, dict[str, dict[str, float | None]]] = json.loads(path.read_text())
    return {
        (package, frame): {name: float("nan") if value is None else value for name, value in score.items()}
        for package, frames in stored.items()
        for frame, score in frames.items()
    }


def _write_cache(workspace: Workspace, task: Task, cache: ScoreCache) -> None:
    stored: dict[str, dict[str, FrameScore]] = {}
    for (package, frame), score in cache.items():
        stored.setdefault(package, {})[frame] = finite(dict(score))
    write_json(_cache_file(workspace, task), stored)
