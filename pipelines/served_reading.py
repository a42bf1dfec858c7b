"""Implements ``dashboards.reading.Reading`` on a workspace: the model in use reads a case once, in the background."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import Any

from components.adapters.blosc_store import load_label_map, load_volume, save_label_map
from components.adapters.nifti_writer import nifti_gz
from components.cohort.task import Task
from components.errors import CtloopError, InputError, StateError
from components.models.prediction import FRAME_ERRORS, DoubtsVoxels, FramePrediction, Predictor
from components.models.relevance import Explainer, Relevance
from components.models.triplet_place import slice_of_triplet
from components.operations.register_model import subject_of
from components.operations.scoring import reason_of, score_case
from components.registry.registry import ModelVersion
from components.volume.geometry import Geometry
from components.volume.volume import Volume
from dashboards.reading import CaseReading, FrameReading, Layer, SliceRelevance
from pipelines.composition import Services
from pipelines.prepared_cases import prepared_volume
from pipelines.progress import write_json

_SCANS_KEPT = 2


class _Closing(Exception):
    """The server ends."""


class WorkspaceReading:
    """What was read lies below the state folder, by the package's hash; only the versions in use are kept."""

    def __init__(self, services: Services, load: Callable[[ModelVersion], Predictor] | None = None) -> None:
        """``load``: a version's predictor; from its package in the registry unless given."""
        self._services = services
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="reading")
        self._lock = threading.Lock()  # of what follows
        self._under_way: set[tuple[Path, str]] = set()
        self._failed: dict[tuple[Path, str], str] = {}
        self._loading = threading.Lock()
        self._closing = threading.Event()
        self._load = load or (lambda version: services.predictor(version)[0])
        self._predictors: dict[Task, tuple[str, Predictor]] = {}
        self._scan = lru_cache(maxsize=_SCANS_KEPT)(self._load_scan)

    def scan(self, task: Task, frame: str) -> Volume:
        return self._scan(task, frame)

    def read(self, task: Task, frames: Sequence[Mapping[str, Any]]) -> CaseReading:
        try:
            version = self._services.version_in_use(task)
        except StateError as error:
            return CaseReading(model="", done=True, problem=str(error))
        folder = self._folder(task, version)
        known = {str(row["frame_id"]): _kept(folder, row) for row in frames}
        read = {frame: found for frame, found in known.items() if found is not None}
        with self._lock:
            failed = {
                frame: self._failed[folder, frame] for frame in known if (folder, frame) in self._failed
            }
            missing = known.keys() - read.keys() - failed.keys()
            case = (folder, str(frames[0]["case_id"]))
            if missing and case not in self._under_way and not self._closing.is_set():
                self._under_way.add(case)
                self._worker.submit(self._read_case, task, version, case, list(frames))
        return CaseReading(model=subject_of(version), frames=read, failures=failed, done=not missing)

    def scan_file(self, task: Task, frame: str) -> bytes:
        return nifti_gz(self.scan(task, frame))

    def layer_file(self, task: Task, frame: str, layer: Layer) -> bytes | None:
        try:
            version = self._services.version_in_use(task)
        except StateError:
            return None
        path = self._folder(task, version) / f"{frame}.{layer}.b2nd"
        if layer == "doubt" and not path.is_file():
            self._doubt(task, version, frame, path)
        return nifti_gz(load_label_map(path)) if path.is_file() else None

    def close(self) -> None:
        self._closing.set()
        self._worker.shutdown(wait=False, cancel_futures=True)

    def _read_case(
        self, task: Task, version: ModelVersion, case: tuple[Path, str], rows: Sequence[Mapping[str, Any]]
    ) -> None:
        folder, load = case[0], prepared_volume(self._services.workspace, task)
        row_of = {str(row["frame_id"]): row for row in rows}
        try:
            predictor = self._loaded(task, version)
            _drop_others(folder)

            def see(frame: str, answer: FramePrediction | Exception) -> None:
                if self._closing.is_set():
                    raise _Closing
                if isinstance(answer, Exception):
                    self._fail(folder, [frame], answer)
                    return
                relevance = self._explained(predictor, task, frame, load)
                _keep(folder, row_of[frame], predictor, answer, relevance)

            score_case(predictor, sorted(rows, key=_phase), load, see=see)
        except _Closing:
            pass  # the next server reads the rest
        except FRAME_ERRORS as error:
            self._fail(folder, list(row_of), error)
        finally:
            with self._lock:
                self._under_way.discard(case)

    def _explained(
        self, predictor: Predictor, task: Task, frame: str, load: Callable[[str], Volume]
    ) -> dict[str, list[SliceRelevance]]:
        if not isinstance(predictor, Explainer):
            return {}
        return _by_slice(predictor.explain(load(frame)), self.scan(task, frame).geometry)

    def _doubt(self, task: Task, version: ModelVersion, frame: str, path: Path) -> None:
        predictor = self._loaded(task, version)
        if isinstance(predictor, DoubtsVoxels):
            save_label_map(path, predictor.doubt(prepared_volume(self._services.workspace, task)(frame)))

    def _fail(self, folder: Path, frames: Sequence[str], error: Exception) -> None:
        with self._lock:
            self._failed |= {(folder, frame): reason_of(error) for frame in frames}

    def _loaded(self, task: Task, version: ModelVersion) -> Predictor:
        """One per task stays in memory."""
        with self._loading:
            if self._predictors.get(task, ("",))[0] != version.package_hash:
                self._predictors[task] = (version.package_hash, self._load(version))
            return self._predictors[task][1]

    def _load_scan(self, task: Task, frame: str) -> Volume:
        workspace = self._services.workspace
        path = workspace.ingested(task) / "volumes" / f"{frame}.b2nd"
        if path.is_file():
            return load_volume(path)
        try:
            return prepared_volume(workspace, task)(frame)
        except CtloopError as error:
            raise InputError(
                expected="the scan", got="no file of it", hint="`dvc checkout` in the workspace"
            ) from error

    def _folder(self, task: Task, version: ModelVersion) -> Path:
        return self._services.workspace.state / "viewer" / task / version.package_hash[:32]


def _kept(folder: Path, row: Mapping[str, Any]) -> FrameReading | None:
    """What was read of the scan as it is now."""
    path = folder / f"{row['frame_id']}.json"
    if not path.is_file():
        return None
    tree = json.loads(path.read_text())
    if tree.pop("sha256") != row.get("sha256"):
        return None
    relevance = {
        finding: [SliceRelevance(**part) for part in parts]
        for finding, parts in tree.pop("relevance").items()
    }
    return FrameReading(relevance=relevance, **tree)


def _keep(
    folder: Path,
    row: Mapping[str, Any],
    predictor: Predictor,
    answer: FramePrediction,
    relevance: Mapping[str, Sequence[SliceRelevance]],
) -> None:
    """The label map first: a reading without its picture would be taken for whole."""
    frame = str(row["frame_id"])
    (folder / f"{frame}.doubt.b2nd").unlink(missing_ok=True)
    if answer.labels is not None:
        save_label_map(folder / f"{frame}.prediction.b2nd", answer.labels)
    structures = predictor.label_names if answer.labels is not None else ()
    content = {
        "sha256": row.get("sha256"),
        "outputs": {name: float(value) for name, value in answer.outputs.items()},
        "signals": {name: float(value) for name, value in answer.signals.items() if value == value},
        "uncertainty": float(answer.uncertainty),
        "structures": list(structures),
        "relevance": {name: [asdict(part) for part in parts] for name, parts in relevance.items()},
    }
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / f"{frame}.json", content)


def _by_slice(relevance: Relevance, scan: Geometry) -> dict[str, list[SliceRelevance]]:
    real = [t for t, is_real in enumerate(relevance.real) if is_real]
    places = [slice_of_triplet(relevance.grid, t, scan) for t in real]
    return {
        finding: [
            SliceRelevance(
                value=round(float(relevance.of(finding)[t]), 6), first=place.first, last=place.last,
                position_mm=place.position_mm,
            )
            for t, place in zip(real, places, strict=True)
        ]
        for finding in relevance.findings
    }  # fmt: skip


def _phase(row: Mapping[str, Any]) -> tuple[float, str]:
    phase = row.get("phase_percent")
    return (float(phase) if phase is not None and phase == phase else -1.0, str(row["frame_id"]))


def _drop_others(folder: Path) -> None:
    """Readings by versions that are no longer in use."""
    for other in folder.parent.glob("*"):
        if other != folder:
            shutil.rmtree(other, ignore_errors=True)
