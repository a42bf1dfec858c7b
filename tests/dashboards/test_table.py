from __future__ import annotations

import csv
import io

import pytest

from dashboards.rendering import address, shown
from dashboards.table import MOST_ROWS, Column, Table, View, query_of

COLUMNS = (Column(key="name", title="Name"), Column(key="n", title="Number", kind="number"))


def a_table(*rows: dict[str, object], **changes: object) -> Table:
    return Table(key="t", caption="T", columns=COLUMNS, rows=rows, **changes)  # type: ignore[arg-type]


def test_json_and_csv_hold_the_same_rows() -> None:
    table = a_table({"name": "a, b", "n": -1, "href": "/x"}, {"name": None, "n": 2.5})
    assert View(title="V", tables=(table,)).as_json()["tables"]["t"]["rows"] == [
        {"name": "a, b", "n": -1}, {"name": None, "n": 2.5},
    ]  # fmt: skip
    assert list(csv.reader(io.StringIO(table.as_csv()))) == [["name", "n"], ["a, b", "-1"], ["", "2.5"]]


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\tx"])
def test_no_cell_is_a_formula(text: str) -> None:
    assert list(csv.reader(io.StringIO(a_table({"name": text, "n": 1}).as_csv())))[1] == [f"'{text}", "1"]


def test_the_total_counts_rows_of_other_pages() -> None:
    assert a_table({"name": "a"}).count == 1
    assert a_table({"name": "a"}, total=100, offset=50).as_json()["total"] == 100


@pytest.mark.parametrize(
    ("sent", "offset", "limit"),
    [({}, 0, 50), ({"offset": "20", "limit": "5"}, 20, 5), ({"offset": "-1", "limit": "x"}, 0, 50),
     ({"limit": "0"}, 0, 1), ({"limit": "99999999"}, 0, MOST_ROWS), ({"offset": "²"}, 0, 50)],
)  # fmt: skip
def test_numbers_of_an_address_are_made_sense_of(sent: dict[str, str], offset: int, limit: int) -> None:
    query = query_of({**sent, "task": "segmentation", "bad": "a\x00"})
    assert (query.offset, query.limit) == (offset, limit)
    assert (query.get("task"), query.get("bad"), query.get("none")) == ("segmentation", "", "")


def test_cells_for_a_person() -> None:
    assert [shown(value, "number") for value in (None, 1234, 0.123456, 0)] == ["–", "1,234", "0.1235", "0"]
    assert shown("2026-01-02T03:04:05+00:00", "time") == "2026-01-02 03:04"
    assert shown(True, "text") == "yes"


def test_addresses_keep_filters_and_drop_what_is_empty() -> None:
    assert address("/x", {"task": "a b", "offset": "50"}, offset=0) == "/x?task=a+b"
    assert address("/x", {}) == "/x"
