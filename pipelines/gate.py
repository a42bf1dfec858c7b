"""Job: judge the challenger against the champion on the frozen expert test set."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path

from components.cohort.task import Task
from components.errors import StateError
from components.models.prediction import Predictor
from components.operations.expert_frames import ExpertFrame, FrameScore, ScoreCache
from components.operations.register_model import subject_of
from components.operations.run_gate import Candidate, run_gate
from components.registry.gate_params import GateParams
from components.registry.ledger import Ledger
from components.registry.registry import ModelVersion, Registry
from components.registry.verdict import Verdict, finite
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
) -> Verdict:
    """The verdict, which the ledger keeps too; a refusal is an outcome, not an error.

    Args:
        name: of the registered model.
        load_predictor: package folder → predictor.
        challenger: judge this version instead of the one with the alias (the champion against itself, say).

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
    verdict = run_gate(
        task=task,
        challenger=_candidate(version, folders, load_predictor),
        champion=_candidate(champion, folders, load_predictor) if champion is not None else None,
        frames=(frames := expert_frames(workspace, task)),
        training_patients=set().union(*(training_patients(folder) for folder in folders.values())),
        params=params,
        ledger=ledger,
        context={"test_set": test_set_hash(frames)},
        cache=cache,
        progress=bar(f"gate {task}"),
    )
    _write_cache(workspace, task, cache)
    return verdict


def test_set_hash(frames: Sequence[ExpertFrame]) -> str:
    """sha256 of the frames and truths that judged, in any order."""
    return hashlib.sha256("".join(sorted(frame.fingerprint for frame in frames)).encode()).hexdigest()


def training_patients(package: Path) -> tuple[str, ...]:
    """Pseudonyms of the patients that the package's lineage says it was trained on."""
    lineage = json.loads((package / "lineage" / "lineage.json").read_text())
    return tuple(lineage["training_patients"])


def _candidate(
    version: ModelVersion, folders: dict[int, Path], load_predictor: Callable[[Path], Predictor]
) -> Candidate:
    return Candidate(
        name=subject_of(version),
        package_hash=version.package_hash,
        predictor=load_predictor(folders[version.version]),
    )


def _cache_file(workspace: Workspace, task: Task) -> Path:
    """Scores of frames by package and content: the champion's are asked for at each gate anew."""
    return workspace.state / "gate-scores" / f"{task}.json"


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
