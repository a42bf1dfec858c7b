"""Labeling requests in SQL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any, cast

from sqlalchemy import Connection, RowMapping, Table, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from components.adapters.sql_engine import reading, writing
from components.adapters.sql_ledger import SqlLedger, append_entry
from components.adapters.sql_tables import AuditRow, LedgerRow, RequestRow
from components.cohort.task import Task
from components.errors import StateError
from components.labeling.request import LabelingRequest, Status
from components.labeling.second_reading import SecondReading

_REQUESTS = cast(Table, RequestRow.__table__)
_COLUMNS = tuple(field.name for field in fields(LabelingRequest))


class SqlRequests(SqlLedger):
    """Implements ``components.labeling.request_store.RequestStore``; accepted answers go into the ledger too."""

    def open_request(self, request: LabelingRequest) -> LabelingRequest | None:
        values = {name: getattr(request, name) for name in _COLUMNS}
        for name in ("measured", "threshold", "budget_minutes"):  # no database takes every NumPy number
            values[name] = None if values[name] is None else float(values[name])
        try:
            with writing(self._engine) as connection:
                if (standing := _standing(connection, request)) is not None:
                    return standing
                connection.execute(insert(RequestRow).values(id=request.id, **values))
                detail = {"frame": request.frame_id, "reason": request.reason, "model": request.model_version}
                self._audit(connection, "ctloop", "open_request", request.id, detail)
        except IntegrityError:  # in PostgreSQL another process may have opened it since we looked
            with reading(self._engine) as connection:
                standing = _standing(connection, request)
            if standing is None:
                raise
            return standing
        return None

    def request(self, request_id: str) -> LabelingRequest | None:
        with reading(self._engine) as connection:
            return _find(connection, request_id)

    def requests(
        self, *, status: Status | None = None, task: Task | None = None, frame_id: str | None = None
    ) -> tuple[LabelingRequest, ...]:
        query = select(_REQUESTS).order_by(_REQUESTS.c.number)
        for column, value in (("status", status), ("task", task), ("frame_id", frame_id)):
            if value is not None:
                query = query.where(_REQUESTS.c[column] == value)
        with reading(self._engine) as connection:
            return tuple(_to_request(row) for row in connection.execute(query).mappings())

    def request_page(
        self, *, status: Status | None = None, task: Task | None = None, limit: int, offset: int = 0
    ) -> tuple[LabelingRequest, ...]:
        """``limit`` of the requests from ``offset`` on, those that are due first before the others."""
        query = select(_REQUESTS).order_by(_REQUESTS.c.due, _REQUESTS.c.number).limit(limit).offset(offset)
        for column, value in (("status", status), ("task", task)):
            if value is not None:
                query = query.where(_REQUESTS.c[column] == value)
        with reading(self._engine) as connection:
            return tuple(_to_request(row) for row in connection.execute(query).mappings())

    def request_counts(self) -> dict[tuple[Task, Status], int]:
        """(task, status) → how many."""
        column = _REQUESTS.c
        query = select(column.task, column.status, func.count()).group_by(column.task, column.status)
        with reading(self._engine) as connection:
            return {(row[0], row[1]): int(row[2]) for row in connection.execute(query)}

    def mark_answered(
        self, request_id: str, *, label_sha256: str, annotator: str, minutes: float | None
    ) -> LabelingRequest:
        with writing(self._engine) as connection:
            found = _expect(connection, request_id)
            if found.status == "answered" and found.label_sha256 == label_sha256:
                return found
            if found.status == "cancelled":
                raise _not_open(found)
            again = found.status == "answered"
            change = {"status": "answered", "label_sha256": label_sha256, "answered_at": self._now()}
            changed = self._change(connection, request_id, {**change, "label_set_version": None})
            detail = {"label_sha256": label_sha256, "minutes": minutes, "replaces": found.label_sha256}
            self._audit(connection, annotator, "replace_answer" if again else "answer", request_id, detail)
            facts = {
                "task": found.task, "name": found.frame_id, "annotator": annotator,
                "model": found.model_version, **detail,
            }  # fmt: skip
            entry = append_entry(connection, self._now, "answer", request_id, facts)
        self._keep_head(entry)
        return changed

    def record_unasked(
        self, task: Task, name: str, *, label_sha256: str, annotator: str, minutes: float | None
    ) -> None:
        with writing(self._engine) as connection:
            earlier = (
                select(LedgerRow.payload)
                .where(LedgerRow.kind == "answer", LedgerRow.subject == name)
                .order_by(LedgerRow.number.desc())
                .limit(1)
            )
            last = connection.execute(earlier).scalar_one_or_none()
            if last is not None and last["label_sha256"] == label_sha256:
                return
            detail = {
                "label_sha256": label_sha256,
                "minutes": minutes,
                "replaces": last and last["label_sha256"],
            }
            self._audit(connection, annotator, "answer_unasked", name, detail)
            facts = {"task": task, "name": name, "annotator": annotator, "model": None, **detail}
            entry = append_entry(connection, self._now, "answer", name, facts)
        self._keep_head(entry)

    def record_second_reading(self, name: str, reading: SecondReading) -> None:
        facts = reading.as_json()
        with writing(self._engine) as connection:
            known = select(LedgerRow.payload).where(LedgerRow.kind == "reread", LedgerRow.subject == name)
            if facts in connection.execute(known).scalars().all():
                return
            entry = append_entry(connection, self._now, "reread", name, facts)
        self._keep_head(entry)

    def cancel_request(self, request_id: str, *, because: str) -> LabelingRequest:
        with writing(self._engine) as connection:
            found = _expect(connection, request_id)
            if found.status == "cancelled":
                return found
            if found.status != "open":
                raise _not_open(found)
            changed = self._change(connection, request_id, {"status": "cancelled"})
            self._audit(connection, "ctloop", "cancel_request", request_id, {"because": because})
            return changed

    def record_label_set(self, request_ids: Sequence[str], version: str) -> None:
        with writing(self._engine) as connection:
            for request_id in request_ids:
                self._change(connection, request_id, {"label_set_version": version})
                self._audit(connection, "ctloop", "label_set", request_id, {"version": version})

    def _change(self, connection: Connection, request_id: str, values: dict[str, Any]) -> LabelingRequest:
        connection.execute(update(_REQUESTS).where(_REQUESTS.c.id == request_id).values(**values))
        return _expect(connection, request_id)

    def _audit(
        self, connection: Connection, actor: str, action: str, subject: str, detail: dict[str, Any]
    ) -> None:
        line = {"at": self._now(), "actor": actor, "action": action, "subject": subject, "detail": detail}
        connection.execute(insert(AuditRow).values(**line))


def _standing(connection: Connection, request: LabelingRequest) -> LabelingRequest | None:
    column = _REQUESTS.c
    same_frame = (column.task == request.task) & (column.frame_id == request.frame_id)
    asked = same_frame & column.status.in_(("open", "answered"))
    query = (
        select(_REQUESTS)
        .where((column.id == request.id) | asked)
        .order_by(column.id != request.id, column.number)
    )
    row = connection.execute(query).mappings().first()
    return None if row is None else _to_request(row)


def _find(connection: Connection, request_id: str) -> LabelingRequest | None:
    # the lock matters in PostgreSQL, where two writers may read the same row; SQLite ignores it
    query = select(_REQUESTS).where(_REQUESTS.c.id == request_id)
    if connection.get_execution_options().get("ctloop_writes"):
        query = query.with_for_update()
    row = connection.execute(query).mappings().first()
    return None if row is None else _to_request(row)


def _expect(connection: Connection, request_id: str) -> LabelingRequest:
    if (found := _find(connection, request_id)) is None:
        raise StateError(
            expected="the id of a request", got=repr(request_id), hint="`ctloop requests list` shows them all"
        )
    return found


def _to_request(row: RowMapping) -> LabelingRequest:
    return LabelingRequest(**{name: row[name] for name in _COLUMNS})


def _not_open(request: LabelingRequest) -> StateError:
    return StateError(
        expected=f"an open request {request.id}",
        got=request.status,
        hint="`ctloop requests list --status open`",
    )
