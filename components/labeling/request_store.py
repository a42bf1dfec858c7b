"""The port to the book of labeling requests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from components.cohort.task import Task
from components.labeling.request import LabelingRequest, Status
from components.labeling.second_reading import SecondReading


class RequestStore(Protocol):
    """Every call is one transaction; every change leaves a line in the audit log."""

    def open_request(self, request: LabelingRequest) -> LabelingRequest | None:
        """Open ``request``; ``None`` when it was opened, else the request that stands in its way.

        That is the request with the same id (whatever its status), or the open or answered request for the
        same frame: one frame is asked for once, however many reasons there are.
        """
        ...

    def request(self, request_id: str) -> LabelingRequest | None: ...

    def requests(
        self, *, status: Status | None = None, task: Task | None = None, frame_id: str | None = None
    ) -> tuple[LabelingRequest, ...]:
        """In the order of opening."""
        ...

    def mark_answered(
        self, request_id: str, *, label_sha256: str, annotator: str, minutes: float | None
    ) -> LabelingRequest:
        """Idempotent for the same label; ``StateError`` when it is cancelled or unknown."""
        ...

    def record_unasked(
        self, task: Task, name: str, *, label_sha256: str, annotator: str, minutes: float | None
    ) -> None:
        """An accepted answer about the frame or case ``name`` that no request asked for; idempotent too."""
        ...

    def record_second_reading(self, name: str, reading: SecondReading) -> None:
        """Two readers' answers about the frame or case ``name``; the same two once."""
        ...

    def cancel_request(self, request_id: str, *, because: str) -> LabelingRequest:
        """Withdraw an open request; ``StateError`` when it is answered or unknown."""
        ...

    def record_label_set(self, request_ids: Sequence[str], version: str) -> None:
        """The data version that holds the answers to ``request_ids``."""
        ...
