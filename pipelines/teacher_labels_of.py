"""The teacher's pseudo-labels that a workspace holds, to compare a student with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from components.cohort.labels import LabelSidecar
from components.cohort.task import Task
from components.volume.volume import LabelMap
from pipelines.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class TeacherLabelsOf:
    """``folder`` holds FRAME.b2nd and FRAME.sidecar.json on the prepared grid."""

    folder: Path

    @staticmethod
    def at(workspace: Workspace, task: Task) -> TeacherLabelsOf:
        return TeacherLabelsOf(folder=workspace.pseudo(task))

    def sha256(self, frame: str) -> str | None:
        """Of the frame's pseudo-label; ``None`` where there is none."""
        sidecar = self.folder / f"{frame}.sidecar.json"
        return LabelSidecar.from_json(sidecar.read_text()).label_sha256 if sidecar.is_file() else None

    def load(self, frame: str) -> LabelMap | None:
        """The frame's pseudo-label."""
        from components.adapters.blosc_store import load_label_map

        return None if self.sha256(frame) is None else load_label_map(self.folder / f"{frame}.b2nd")
