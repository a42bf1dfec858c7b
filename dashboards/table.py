"""What a page shows, as tables: the page, its JSON and its CSV are three renderings of one ``View``."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

MOST_ROWS = 10_000
"""Of one request, so that memory stays flat; the rest by ``offset``."""


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column.

    Args:
        key: in the rows, in JSON and in CSV.
        kind: how a page shows it: ``time`` is ISO 8601 in UTC, ``state`` one word, ``code`` a hash or name.
        link: key of the row's value that is this cell's address.
    """

    key: str
    title: str
    kind: Literal["text", "number", "time", "state", "code"] = "text"
    link: str = ""


@dataclass(frozen=True, kw_only=True)
class Table:
    """Rows ``offset`` to ``offset + len(rows)`` of ``total``."""

    key: str
    caption: str
    columns: Sequence[Column]
    rows: Sequence[Mapping[str, Any]]
    total: int | None = None
    offset: int = 0
    empty: str = "Nothing yet."

    @property
    def count(self) -> int:
        """Of all rows, those of other pages too."""
        return len(self.rows) if self.total is None else self.total

    def plain_rows(self) -> list[dict[str, Any]]:
        """Of each row what its columns name."""
        return [{column.key: row.get(column.key) for column in self.columns} for row in self.rows]

    def as_json(self) -> dict[str, Any]:
        """Caption, total, offset, titles and rows."""
        return {
            "caption": self.caption,
            "total": self.count,
            "offset": self.offset,
            "columns": {column.key: column.title for column in self.columns},
            "rows": self.plain_rows(),
        }

    def as_csv(self) -> str:
        """RFC 4180, with a header of keys. Text that a spreadsheet would take for a formula gets an apostrophe."""
        out = io.StringIO()
        writer = csv.DictWriter(out, [column.key for column in self.columns])
        writer.writeheader()
        for row in self.plain_rows():
            writer.writerow({key: _cell(value) for key, value in row.items()})
        return out.getvalue()


@dataclass(frozen=True, kw_only=True)
class View:
    """A page's content; ``lead`` is its one sentence, ``extra`` what its own template needs beside the tables."""

    title: str
    tables: Sequence[Table]
    lead: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)

    def table(self, key: str) -> Table | None:
        """The table of this key."""
        return next((table for table in self.tables if table.key == key), None)

    def as_json(self) -> dict[str, Any]:
        """Title, lead, and every table by its key."""
        tables = {table.key: table.as_json() for table in self.tables}
        return {"title": self.title, "lead": self.lead, "tables": tables}


@dataclass(frozen=True, kw_only=True)
class Query:
    """What the address asks for: which rows, and filters by name."""

    offset: int = 0
    limit: int = 50
    filters: Mapping[str, str] = field(default_factory=dict)

    def get(self, name: str) -> str:
        """A filter's value; empty when it is not given."""
        return self.filters.get(name, "")


def query_of(params: Mapping[str, str]) -> Query:
    """Numbers that make no sense are the nearest that do."""
    return Query(
        offset=_number(params.get("offset", ""), 0, 0, 10**9),
        limit=_number(params.get("limit", ""), 50, 1, MOST_ROWS),
        filters={k: v[:200] for k, v in params.items() if k not in ("offset", "limit") and v.isprintable()},
    )


def _number(text: str, default: int, least: int, most: int) -> int:
    is_number = text.isascii() and text.isdigit() and len(text) < 20
    return min(max(int(text), least), most) if is_number else default


def _cell(value: Any) -> Any:
    if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")):
        return f"'{value}"
    return value
