"""What the labeling desk needs from outside: frames to show, packages to hand out, a door for answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from components.cohort.task import Task
from components.labeling.request import LabelingRequest, Status
from components.labeling.request_store import RequestStore
from components.volume.volume import LabelMap, Volume


@dataclass(frozen=True, kw_only=True, eq=False)
class FrameView:
    """A frame as it is shown: LPS, with the pre-annotation on the same grid where there is one."""

    volume: Volume
    pre_annotation: LabelMap | None


class RequestBook(RequestStore, Protocol):
    """The requests, a page at a time: a workspace may have a hundred thousand."""

    def request_page(
        self, *, status: Status | None = None, task: Task | None = None, limit: int, offset: int = 0
    ) -> tuple[LabelingRequest, ...]:
        """Those that are due first before the others."""
        ...

    def request_counts(self) -> Mapping[tuple[Task, Status], int]:
        """(task, status) → how many."""
        ...


class Desk(Protocol):
    """Built by the composition root; may be called from several threads."""

    def frame(self, request: LabelingRequest) -> FrameView:
        """``InputError`` when the frame cannot be read."""
        ...

    def package(self, request: LabelingRequest) -> Path:
        """The folder of the exported request."""
        ...

    def finding_names(self) -> tuple[str, ...]: ...

    def take_label_map(
        self, request: LabelingRequest, file: Path, *, annotator: str, minutes: float | None
    ) -> None:
        """Accept ``file`` as the answer; ``InputError`` with the reason when it is refused."""
        ...

    def take_findings(
        self, request: LabelingRequest, row: Mapping[str, str], *, annotator: str, minutes: float | None
    ) -> None:
        """Accept finding → ``0``, ``1`` or nothing; ``InputError`` with the reason when it is refused."""
        ...

    def publish(self) -> None:
        """Make a new data version of what was accepted; called after the reader has the reply."""
        ...
