"""A package behind MLflow's scoring server or batch predict: scans in, label maps or findings out."""

from __future__ import annotations

import base64
import hashlib
import json
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain, groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from components.adapters.served_columns import ANSWERED, ASKED, EMPTY
from components.errors import CtloopError, InputError

if TYPE_CHECKING:
    from components.adapters.scan_door import Scan, ScanDoor
    from components.models.prediction import CineAnswer, FramePrediction, LoadFrame, Predictor

Row = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class ServedModel:
    """Args:
    predictor: of the package.
    door: what may be read and written.
    """

    predictor: Predictor
    door: ScanDoor

    @staticmethod
    def of(package: Path, environment: Mapping[str, str]) -> ServedModel:
        """Of a package folder; late imports, because registering must not import torch."""
        from components.adapters.scan_door import ScanDoor
        from components.models.package import load_predictor

        return ServedModel(predictor=load_predictor(package), door=ScanDoor.of(environment))

    def answer(self, asked_rows: pd.DataFrame, params: Mapping[str, Any]) -> pd.DataFrame:
        """``ANSWERED``, one row per frame; ``InputError`` for an ``output_dir`` that may not be written to."""
        out = self.door.out_folder(str(params.get("output_dir") or ""))
        rows = []
        for number, asked in enumerate(asked_rows.to_dict("records")):
            path, content = (_text(asked.get(key)) for key in ASKED)
            for place, row in enumerate(self._answer(path, content, out)):
                rows.append({**row, "input": number, "frame": place, "path": path})
        table = pd.DataFrame(rows, columns=list(ANSWERED), dtype=object)
        return table.where(table.notna(), None)

    def _answer(self, path: str, content: str, out: Path | None) -> list[Row]:
        """The rows of one scan; what makes all of it unusable is one row."""
        try:
            with ExitStack() as until_answered:
                scans = self._scans(path, content, until_answered)
                rows = list(self._rows(scans, _stem(path), path or content, out))
        except CtloopError as error:
            return [_row(error=str(error))]
        nothing = "expected a scan, got none, try a NIfTI file or a folder of DICOM files"
        return rows or [_row(error=nothing)]

    def _scans(self, path: str, content: str, until_answered: ExitStack) -> Iterable[Scan]:
        if bool(path) == bool(content):
            got = "both" if path else "neither"
            raise InputError(expected="`path` or `content` in each row", got=got, hint="one of them")
        if path:
            return self.door.read_path(path)
        return until_answered.enter_context(self.door.read_content(content))

    def _rows(self, scans: Iterable[Scan], stem: str, asked: str, out: Path | None) -> Iterator[Row]:
        for _, group in groupby(scans, key=lambda scan: getattr(scan, "case_key", None)):
            yield from self._case(group, stem, asked, out)

    def _case(self, scans: Iterator[Scan], stem: str, asked: str, out: Path | None) -> Iterator[Row]:
        """Frames of one case, which may be a cine, or things that could not be read."""
        from components.cohort.scan import Rejected

        first = next(scans)
        if isinstance(first, Rejected):
            yield from (
                _row(error=scan.reason) for scan in chain([first], scans) if isinstance(scan, Rejected)
            )
            return
        seen: list[Row] = []
        loads = _loads(chain([first], scans), seen)
        answered = {
            position: self._frame(answer, seen[position], stem, asked, out)
            for position, answer in self._answers(loads, first.phase_percent)
        }
        yield from (answered[position] for position in sorted(answered))

    def _frame(
        self, answer: FramePrediction | Exception, told: Row, stem: str, asked: str, out: Path | None
    ) -> Row:
        """Its label map goes to the disk or into text at once, so that one is held at a time."""
        if isinstance(answer, Exception):
            return _row(phase_percent=told["phase"], error=str(answer) or type(answer).__name__)
        key = f"{asked}\0{told['source']}\0{told['index']}".encode()
        name = f"{stem}-{hashlib.sha256(key).hexdigest()[:12]}.labels.nii.gz"
        return _row(phase_percent=told["phase"], **self._said(answer, name, out))

    def _answers(self, loads: Iterator[LoadFrame], phase: float | None) -> Iterator[CineAnswer]:
        from components.models.prediction import CinePredictor, frame_by_frame

        if phase is not None and isinstance(self.predictor, CinePredictor):
            return self.predictor.predict_cine(loads)
        return frame_by_frame(self.predictor.predict, loads)

    def _said(self, answer: FramePrediction, name: str, out: Path | None) -> Row:
        row: Row = {"uncertainty": float(answer.uncertainty)}
        if answer.labels is not None:
            row["label_names"] = _json({str(value): text for value, text in answer.labels.names.items()})
            return row | _label_map(answer, name, out)
        thresholds = dict(self.predictor.thresholds)  # type: ignore[attr-defined]
        called = [finding for finding, p in answer.probabilities.items() if p >= thresholds[finding]]
        said = {"probabilities": dict(answer.probabilities), "thresholds": thresholds, "called": called}
        return row | {key: _json(value) for key, value in said.items()}


def _loads(frames: Iterable[Scan], seen: list[Row]) -> Iterator[LoadFrame]:
    """Each frame when its turn comes; ``seen`` keeps all but its voxels."""
    from components.cohort.scan import ScannedFrame

    for frame in frames:
        assert isinstance(frame, ScannedFrame)
        seen.append({"source": frame.source, "index": frame.index, "phase": frame.phase_percent})
        volume = frame.volume
        yield lambda volume=volume: volume  # type: ignore[misc]


def _label_map(answer: FramePrediction, name: str, out: Path | None) -> Row:
    from components.adapters.nifti_writer import write_nifti_labels

    assert answer.labels is not None
    if out is not None:
        write_nifti_labels(out / name, answer.labels)
        return {"labels_path": str(out / name)}
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / name
        write_nifti_labels(path, answer.labels)
        return {"labels": base64.b64encode(path.read_bytes()).decode()}


def _row(**known: Any) -> Row:
    return {**EMPTY, **known}


def _stem(path: str) -> str:
    return Path(path).name.removesuffix(".gz").removesuffix(".nii") if path else "scan"


def _text(value: Any) -> str:
    """A cell that is missing is a NaN in a CSV."""
    return value if isinstance(value, str) else ""


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True)
