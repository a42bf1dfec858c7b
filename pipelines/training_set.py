"""What a training may read: labelled examples of training patients, and hashes that name exactly these."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
import pandas as pd

from components.adapters.blosc_store import load_crop, load_geometry, load_label_map, load_volume
from components.adapters.parquet import read_parquet
from components.cohort.label_set import TaughtLabel
from components.cohort.labels import LabelSidecar, allowed
from components.cohort.split import Split
from components.cohort.task import Task
from components.cohort.validation import validation_patients
from components.errors import StateError
from components.models.labeled import (
    LabeledFrame,
    LabeledScan,
    ReadCrop,
    UnlabelledScan,
    in_memory,
    sample_foreground,
)
from pipelines.workspace import Workspace

Spacing = tuple[float, float, float]
Example = TypeVar("Example", LabeledFrame, LabeledScan)


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainingSet(Generic[Example]):
    """Examples in the order of their ids.

    Args:
        examples: of training patients, with labels of allowed provenances.
        label_names: structures (value i + 1) or findings.
        spacing_mm: of the prepared grid along (z, y, x).
        data_sha256: names the examples' scans and grids.
        label_set_sha256: names the examples' labels and their provenances.
        labels: one by one, for people and for the next training.
    """

    examples: Sequence[Example]
    label_names: tuple[str, ...]
    spacing_mm: Spacing
    data_sha256: str
    label_set_sha256: str
    labels: tuple[TaughtLabel, ...]

    def counts(self) -> dict[str, int]:
        """Examples per provenance."""
        return dict(sorted(Counter(example.provenance for example in self.examples).items()))

    def patients(self) -> int:
        return len({example.patient_id for example in self.examples})


def segmentation_set(
    workspace: Workspace,
    provenances: Sequence[str],
    *,
    seed: int,
    cache_mb: int,
    validation_share: float = 0.0,
) -> TrainingSet[LabeledFrame]:
    """Frames with an expert's label map, else with the teacher's; held in memory up to ``cache_mb``."""
    rows = training_rows(workspace, "segmentation", validation_share=validation_share)
    folders = (workspace.labels("segmentation"), workspace.pseudo("segmentation"))
    labels = {str(frame): _first_label(str(frame), folders, provenances) for frame in rows["frame_id"]}
    rows = rows[rows["frame_id"].isin([frame for frame, found in labels.items() if found is not None])]
    cached = _fits(rows, cache_mb)
    prepared = workspace.prepared("segmentation") / "frames"
    names: dict[int, str] = {}
    examples, taught = [], []
    for frame, patient, site in _names(_with_site(rows), "frame_id", "patient_id", "site"):
        found = labels[frame]
        assert found is not None
        label_map = load_label_map(found[0])
        names = _same_names(names or dict(label_map.names), dict(label_map.names), frame)
        generator = np.random.default_rng([seed, zlib.crc32(frame.encode())])
        foreground = sample_foreground(label_map.labels, generator)
        volume = prepared / f"{frame}.b2nd"
        shown = tuple(sorted(names[value] for value in foreground if value in names))
        taught.append(_taught(frame, patient, site, found[1], shown))
        examples.append(
            LabeledFrame(
                frame_id=frame,
                patient_id=patient,
                provenance=found[1].provenance,
                shape=label_map.geometry.shape,
                read_hu=_crops(volume, load_volume(volume).voxels_hu if cached else None),
                read_labels=_crops(found[0], label_map.labels if cached else None),
                foreground=foreground,
            )
        )
    sidecars = {frame: found for frame, found in labels.items() if found is not None}
    return TrainingSet(
        examples=examples,
        label_names=tuple(names[value] for value in sorted(names)),
        spacing_mm=_spacing(prepared, rows),
        data_sha256=_data_sha256(rows),
        label_set_sha256=_label_set_sha256(sidecars),
        labels=tuple(taught),
    )


def segmentation_pool(
    workspace: Workspace, labelled: Sequence[LabeledFrame], *, validation_share: float = 0.0
) -> list[LabeledFrame]:
    """The frames of training patients that have no label; an encoder can be pretrained on them."""
    from components.models.pretraining import unlabelled

    known = {frame.frame_id for frame in labelled}
    folder = workspace.prepared("segmentation") / "frames"
    rows = training_rows(workspace, "segmentation", validation_share=validation_share)
    pairs = _names(rows, "frame_id", "patient_id")
    return [
        unlabelled(
            frame,
            patient,
            load_geometry(folder / f"{frame}.b2nd").shape,
            _crops(folder / f"{frame}.b2nd", None),
        )
        for frame, patient in pairs
        if frame not in known
    ]


def classification_set(
    workspace: Workspace, provenances: Sequence[str], *, cache_mb: int, validation_share: float = 0.0
) -> TrainingSet[LabeledScan]:
    """Scans of cases with findings; a finding that is unknown in every case is not learnt."""
    rows = training_rows(workspace, "classification", validation_share=validation_share)
    folder = workspace.labels("classification")
    table = read_parquet(folder / "findings.parquet").set_index("case_id").astype(np.float32)
    sidecars = {case: _sidecar(folder / f"{case}.sidecar.json") for case in table.index}
    cases = {case: s for case, s in sidecars.items() if s is not None and allowed(s, provenances)}
    rows = rows[rows["case_id"].isin(cases)]
    known = table.loc[sorted(set(rows["case_id"]))].notna().any(axis=0)
    names = tuple(str(name) for name in table.columns[known])
    prepared, cached = workspace.prepared("classification") / "frames", _fits(rows, cache_mb)
    examples = []
    for frame, patient, case in _names(rows, "frame_id", "patient_id", "case_id"):
        path = prepared / f"{frame}.b2nd"
        voxels = load_volume(path).voxels_hu if cached else None
        examples.append(
            LabeledScan(
                case_id=frame,
                patient_id=patient,
                provenance=cases[case].provenance,
                read_hu=partial(_voxels, path, voxels),
                findings=table.loc[[case], list(names)].to_numpy(dtype=np.float32)[0],
            )
        )
    files = {case: (folder / "findings.parquet", sidecar) for case, sidecar in cases.items()}
    used = {case: files[case] for case in sorted(set(rows["case_id"]))}
    each = _with_site(rows).drop_duplicates("case_id")
    return TrainingSet(
        examples=examples,
        label_names=names,
        spacing_mm=_spacing(prepared, rows),
        data_sha256=_data_sha256(rows),
        label_set_sha256=_label_set_sha256(used),
        labels=tuple(
            _taught(case, patient, site, cases[case], _present(table, case))
            for case, patient, site in _names(each, "case_id", "patient_id", "site")
        ),
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class ScanPool:
    """Scans of training patients without findings that may be read; ``sha256`` names exactly these."""

    scans: Sequence[UnlabelledScan]
    sha256: str


def classification_pool(
    workspace: Workspace, labelled: Sequence[LabeledScan], *, cache_mb: int, validation_share: float = 0.0
) -> ScanPool:
    """All scans of training patients but ``labelled``; a backbone can be pretrained on them.

    Held in memory if they fit into ``cache_mb`` together with the labelled ones.
    """
    rows = training_rows(workspace, "classification", validation_share=validation_share)
    cached, folder = _fits(rows, cache_mb), workspace.prepared("classification") / "frames"
    _spacing(folder, rows)  # the pool is of the grid of the labelled
    rows = rows[~rows["frame_id"].isin([scan.case_id for scan in labelled])]
    scans = [
        UnlabelledScan(
            case_id=frame,
            patient_id=patient,
            read_hu=partial(_voxels, path, load_volume(path).voxels_hu if cached else None),
        )
        for frame, patient in _names(rows, "frame_id", "patient_id")
        for path in (folder / f"{frame}.b2nd",)
    ]
    return ScanPool(scans=scans, sha256=_data_sha256(rows))


def training_rows(workspace: Workspace, task: Task, *, validation_share: float = 0.0) -> pd.DataFrame:
    """The prepared frames of training patients but the validation patients, by frame_id.

    Raises ``StateError`` when a patient has no side: training on it could leak what a later split holds out.
    """
    split = Split.from_json(workspace.split(task).read_text())
    frames = read_parquet(workspace.prepared(task) / "frames.parquet").sort_values("frame_id")
    unknown = sorted(set(frames["patient_id"]) - set(split.assignments))
    if unknown:
        raise StateError(
            expected="a split that assigns every patient",
            got=f"{len(unknown)} without a side, {unknown[0]} the first",
            hint="running the split stage first",
        )
    aside = validation_patients(split, validation_share)
    rows = frames[frames["patient_id"].isin(set(split.patients("train")) - aside)]
    refuse_leak(rows, frames, split)
    return rows.reset_index(drop=True)


def refuse_leak(rows: pd.DataFrame, frames: pd.DataFrame, split: Split) -> None:
    """``StateError`` when a training scan belongs to a held-out patient, or is one of theirs by content."""
    held_out = frames[frames["patient_id"].isin(split.patients("test"))]
    shared = rows[rows["patient_id"].isin(split.patients("test")) | rows["sha256"].isin(held_out["sha256"])]
    if len(shared):
        raise StateError(
            expected="training scans that no held-out patient shares",
            got=f"a leak of {len(shared)}, {shared['frame_id'].iloc[0]} the first",
            hint="giving both cases one patient in cases.csv, or removing the copy",
        )


def _taught(name: str, patient: str, site: str, sidecar: LabelSidecar, shows: tuple[str, ...]) -> TaughtLabel:
    return TaughtLabel(
        name=name, patient_id=patient, site=site, provenance=sidecar.provenance,
        label_sha256=sidecar.label_sha256, shows=shows,
    )  # fmt: skip


def _present(findings: pd.DataFrame, case: str) -> tuple[str, ...]:
    values = findings.loc[[case]].to_numpy(dtype=np.float32)[0]
    return tuple(
        sorted(str(name) for name, value in zip(findings.columns, values, strict=True) if value == 1)
    )


def _with_site(rows: pd.DataFrame) -> pd.DataFrame:
    """A table of before sites were known has none."""
    return rows.assign(site=rows["site"].fillna("") if "site" in rows else "")


def _names(rows: pd.DataFrame, *columns: str) -> Iterator[tuple[str, ...]]:
    """Row by row the texts of ``columns``."""
    return zip(*(rows[column].astype(str) for column in columns), strict=True)


def _first_label(
    frame: str, folders: Sequence[Path], provenances: Sequence[str]
) -> tuple[Path, LabelSidecar] | None:
    for folder in folders:
        sidecar = _sidecar(folder / f"{frame}.sidecar.json")
        if sidecar is not None and allowed(sidecar, provenances) and (folder / f"{frame}.b2nd").is_file():
            return folder / f"{frame}.b2nd", sidecar
    return None


def _sidecar(path: Path) -> LabelSidecar | None:
    return LabelSidecar.from_json(path.read_text()) if path.is_file() else None


def _same_names(first: dict[int, str], names: dict[int, str], frame: str) -> dict[int, str]:
    if names != first or sorted(names) != list(range(1, len(names) + 1)):
        raise StateError(
            expected=f"label maps with the values {first}",
            got=f"{names} in {frame}",
            hint="running prepare and pseudo_label again after a change of `labels.structures`",
        )
    return first


def _crops(path: Path, array: Any) -> ReadCrop:
    return partial(load_crop, path) if array is None else in_memory(array)


def _voxels(path: Path, voxels: Any) -> Any:
    return load_volume(path).voxels_hu if voxels is None else voxels


def _fits(rows: pd.DataFrame, cache_mb: int) -> bool:
    """Whether volumes (int16) and label maps (uint8) stay below ``cache_mb``, by the prepared shapes."""
    columns = [c for c in ("prepared_shape_z", "prepared_shape_y", "prepared_shape_x") if c in rows]
    columns = columns if len(columns) == 3 else ["shape_z", "shape_y", "shape_x"]
    voxels = float(rows[columns].astype(float).prod(axis=1).sum())
    return 3.0 * voxels <= cache_mb * 1e6


def _spacing(folder: Path, rows: pd.DataFrame) -> Spacing:
    """The spacing that all prepared frames share, rounded to a micrometre."""
    if rows.empty:
        return (1.0, 1.0, 1.0)
    spacings = {load_geometry(folder / f"{frame}.b2nd").spacing_mm for frame in rows["frame_id"]}
    rounded = {tuple(round(mm, 3) for mm in spacing) for spacing in spacings}
    if len(rounded) > 1:
        raise StateError(
            expected="prepared frames of one spacing",
            got=f"{len(rounded)} spacings",
            hint="setting prepare.spacing_mm and running prepare again",
        )
    z, y, x = rounded.pop()
    return z, y, x


def _data_sha256(rows: pd.DataFrame) -> str:
    columns = [
        c for c in rows.columns if c in ("frame_id", "patient_id", "sha256") or c.startswith("prepared")
    ]
    return hashlib.sha256(rows[columns].to_json(orient="records").encode()).hexdigest()


def _label_set_sha256(labels: Mapping[str, tuple[Path, LabelSidecar]]) -> str:
    """Over (name, provenance, the label as it was given, the file that is read)."""
    files = {path: hashlib.sha256(path.read_bytes()).hexdigest() for path, _ in labels.values()}
    rows = [[name, s.provenance, s.label_sha256, files[path]] for name, (path, s) in sorted(labels.items())]
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()
