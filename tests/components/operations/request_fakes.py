"""A book of requests in memory, and a shelf that only remembers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from components.cohort.labels import LabelSidecar
from components.cohort.task import Task
from components.labeling.request import LabelingRequest, Status
from components.labeling.second_reading import SecondReading
from components.volume.volume import LabelMap


@dataclass
class RequestsInMemory:
    book: dict[str, LabelingRequest] = field(default_factory=dict)
    unasked: dict[str, str] = field(default_factory=dict)
    rereads: list[tuple[str, SecondReading]] = field(default_factory=list)

    def open_request(self, request: LabelingRequest) -> LabelingRequest | None:
        for standing in self.book.values():
            if standing.id == request.id or (
                standing.frame_id == request.frame_id and standing.status in ("open", "answered")
            ):
                return standing
        self.book[request.id] = request
        return None

    def request(self, request_id: str) -> LabelingRequest | None:
        return self.book.get(request_id)

    def requests(
        self, *, status: Status | None = None, task: Task | None = None, frame_id: str | None = None
    ) -> tuple[LabelingRequest, ...]:
        return tuple(
            found
            for found in self.book.values()
            if (status is None or found.status == status)
            and (task is None or found.task == task)
            and (frame_id is None or found.frame_id == frame_id)
        )

    def mark_answered(
        self, request_id: str, *, label_sha256: str, annotator: str, minutes: float | None
    ) -> LabelingRequest:
        changed = replace(
            self.book[request_id], status="answered", label_sha256=label_sha256, answered_at="now"
        )
        self.book[request_id] = changed
        return changed

    def record_unasked(
        self, task: Task, name: str, *, label_sha256: str, annotator: str, minutes: float | None
    ) -> None:
        self.unasked[name] = label_sha256

    def record_second_reading(self, name: str, reading: SecondReading) -> None:
        self.rereads.append((name, reading))

    def cancel_request(self, request_id: str, *, because: str) -> LabelingRequest:
        self.book[request_id] = replace(self.book[request_id], status="cancelled")
        return self.book[request_id]

    def record_label_set(self, request_ids: Sequence[str], version: str) -> None:
        for request_id in request_ids:
            self.book[request_id] = replace(self.book[request_id], label_set_version=version)


@dataclass
class ShelfInMemory:
    label_maps: dict[str, tuple[LabelMap, LabelSidecar]] = field(default_factory=dict)
    rows: dict[str, tuple[Mapping[str, int | None], LabelSidecar]] = field(default_factory=dict)

    def label_map(self, frame_id: str) -> tuple[LabelMap, LabelSidecar] | None:
        return self.label_maps.get(frame_id)

    def findings(self, case_id: str) -> tuple[Mapping[str, int | None], LabelSidecar] | None:
        return self.rows.get(case_id)

    def put_label_map(self, frame_id: str, label_map: LabelMap, sidecar: LabelSidecar) -> None:
        self.label_maps[frame_id] = (label_map, sidecar)

    def put_findings(self, case_id: str, findings: Mapping[str, int | None], sidecar: LabelSidecar) -> None:
        self.rows[case_id] = (findings, sidecar)
