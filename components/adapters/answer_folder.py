"""Accepted answers as files beside their sidecars; the folder is a DVC data version."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from components.adapters.blosc_store import load_label_map, save_label_map
from components.adapters.whole_file import write_whole
from components.cohort.labels import LabelSidecar
from components.errors import InputError
from components.volume.volume import LabelMap

_SAFE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*")


@dataclass(frozen=True)
class AnswerFolder:
    """Implements ``components.labeling.answer_shelf.AnswerShelf``; equal answers give equal bytes.

    The sidecar is written last: a label without one is not yet there.
    """

    folder: Path

    def label_map(self, frame_id: str) -> tuple[LabelMap, LabelSidecar] | None:
        """``None`` also for one that is damaged: the next answer must be able to take its place."""
        with suppress(InputError, OSError):
            if (sidecar := self._sidecar(frame_id)) is not None:
                return load_label_map(self.folder / f"{frame_id}.b2nd"), sidecar
        return None

    def findings(self, case_id: str) -> tuple[Mapping[str, int | None], LabelSidecar] | None:
        with suppress(InputError, OSError, json.JSONDecodeError):
            if (sidecar := self._sidecar(case_id)) is not None:
                return json.loads((self.folder / f"{case_id}.json").read_text()), sidecar
        return None

    def put_label_map(self, frame_id: str, label_map: LabelMap, sidecar: LabelSidecar) -> None:
        save_label_map(self.folder / f"{_safe(frame_id)}.b2nd", label_map)
        write_whole(self.folder / f"{frame_id}.sidecar.json", sidecar.to_json())

    def put_findings(self, case_id: str, findings: Mapping[str, int | None], sidecar: LabelSidecar) -> None:
        text = json.dumps(dict(findings), indent=1, sort_keys=True) + "\n"
        write_whole(self.folder / f"{_safe(case_id)}.json", text)
        write_whole(self.folder / f"{case_id}.sidecar.json", sidecar.to_json())

    def _sidecar(self, name: str) -> LabelSidecar | None:
        path = self.folder / f"{_safe(name)}.sidecar.json"
        return LabelSidecar.from_json(path.read_text()) if path.is_file() else None


def _safe(name: str) -> str:
    if not _SAFE.fullmatch(name):
        raise InputError(
            expected="a name of letters, digits, _ . + -",
            got=repr(name),
            hint="the frame's name in frames.parquet",
        )
    return name
