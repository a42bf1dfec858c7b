"""The port to the folder of accepted answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from components.cohort.labels import LabelSidecar
from components.volume.volume import LabelMap


class AnswerShelf(Protocol):
    """Keeps accepted answers with their sidecars; each call replaces atomically, and may be repeated."""

    def label_map(self, frame_id: str) -> tuple[LabelMap, LabelSidecar] | None:
        """The answer that lies here; ``None`` when there is none."""
        ...

    def findings(self, case_id: str) -> tuple[Mapping[str, int | None], LabelSidecar] | None:
        """The same for a case."""
        ...

    def put_label_map(self, frame_id: str, label_map: LabelMap, sidecar: LabelSidecar) -> None: ...

    def put_findings(
        self, case_id: str, findings: Mapping[str, int | None], sidecar: LabelSidecar
    ) -> None: ...
