import pytest

from components.errors import InputError
from components.published.tables import any_of, labels, plain, read_tables, texts

TEXTS = texts(("A", "B"), needed=("A",), what="the metadata")


def read(*tables, take=TEXTS, key="Name"):
    split = [table.splitlines(keepends=True) for table in tables]
    return read_tables(split, key=key, take=take, suffixes=(".nii.gz",), what="the metadata")


def test_columns_are_taken_by_name_from_any_place():
    table = read('\ufeffB,Name,A,C\n"1, 2",x.nii.gz, a ,3\n\n4,y,b,5\n')
    assert dict(table.rows) == {"x": {"A": "a", "B": "1, 2"}, "y": {"A": "b", "B": "4"}}
    assert table.header == ("B", "Name", "A", "C")
    assert not table.faults


def test_parts_are_one_table_and_need_not_have_the_same_columns():
    table = read("Name,A\nx,1\n", "A,Name,B\n2,y,3\n")
    assert dict(table.rows) == {"x": {"A": "1"}, "y": {"A": "2", "B": "3"}}


def test_a_row_given_twice_is_one_and_two_that_differ_are_none():
    table = read("Name,A,C\nx,1,7\nx.nii.gz,1,8\ny,1,7\ny,2,7\nz,3,7\n", "Name,A\nz,4\n")
    assert set(table.rows) == {"x"}
    assert table.faults == {
        "y": "expected one row, got two that differ",
        "z": "expected one row, got two that differ",
    }


def test_a_row_of_another_length_is_at_fault_alone():
    table = read("Name,A\nx,1,2\ny,1\nz\n,1,1\n")
    assert set(table.rows) == {"y"}
    assert set(table.faults) == {"x", "z", "(no name)"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "a column Name in the metadata, got no columns"),
        ("File,A\n", "a column Name in the metadata, got File, A"),
        ("Name,B\n", "a column A in the metadata, got Name, B"),
        ("a,b,c,d,e,f,g,h\n", "a, b, c, d, e, f and 2 more"),
        ('Name,A\n"x,1\ny,2\n', "unexpected end of data"),
        (f"Name,A\nx,{'1' * 200_000}\n", "field larger"),
    ],
)
def test_what_is_no_such_table_is_refused(text, words):
    with pytest.raises(InputError, match=words):
        read(text)


def either(findings, header):
    known = {name: tuple(c for c in header if c.startswith(name)) for name in findings}
    return {name: columns for name, columns in known.items() if columns}


def test_labels_are_one_zero_or_unknown_and_a_bad_one_spoils_its_row_alone():
    take = labels(("nodule", "mass", "gold"), either, what="the labels")
    table = read("Name,nodule1,nodule2,mass\na,0,1.0,0\nb,0,,1\nc,0.0,0,\nd,0,yes,1\ne,0,2,0\n", take=take)
    assert dict(table.rows) == {
        "a": {"nodule": "1", "mass": "0"},
        "b": {"nodule": "", "mass": "1"},
        "c": {"nodule": "0", "mass": ""},
    }
    assert set(table.faults) == {"d", "e"}
    assert "0, 1 or nothing" in table.faults["d"]
    with pytest.raises(InputError, match="for one finding"):
        read("Name,other\n", take=take)
    with pytest.raises(InputError, match="each column once"):
        read("Name,mass,mass\n", take=take)


@pytest.mark.parametrize(
    ("cells", "found"),
    [("1", "1"), ("0", "0"), (" ", ""), ("0 1", "1"), (",1", "1"), ("0,", ""), ("0,0", "0"), (",", "")],
)
def test_or_of_three_values(cells, found):
    assert any_of(cells.replace(" ", ",").split(",")) == found


def test_names_are_compared_without_case_and_joints():
    assert plain("Lung nodule") == plain("lung_nodule") == plain(" LUNG-Nodule ") == "lung_nodule"
