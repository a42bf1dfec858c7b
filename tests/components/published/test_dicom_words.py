import pytest

from components.published.dicom_words import acquisition_cells, numbers

SAID = {
    "Manufacturer": "ACME", "ManufacturerModelName": "R 1", "ConvolutionKernel": "['Br40f', '3']", "KVP": "120.0",
    "SliceThickness": "1.50", "StudyDate": "20210228", "PatientSex": "F", "PatientAge": "034Y",
}  # fmt: skip


def test_words_become_cells():
    assert acquisition_cells(SAID) == {
        "manufacturer": "ACME", "model": "R 1", "kernel": "Br40f/3", "kvp": "120", "slice_thickness_mm": "1.5",
        "acquired_at": "2021-02-28", "sex": "F", "age": "34",
    }  # fmt: skip
    assert set(acquisition_cells({}).values()) == {""}


@pytest.mark.parametrize(
    ("column", "text", "cell", "value"),
    [
        ("PatientAge", "006M", "age", "0.5"),
        ("PatientAge", "63.0", "age", "63"),
        ("PatientAge", "7", "age", "7"),
        ("PatientAge", "999Y", "age", ""),
        ("PatientAge", "old", "age", ""),
        ("PatientAge", "-5Y", "age", ""),
        ("PatientSex", "female", "sex", ""),
        ("PatientSex", "O", "sex", "O"),
        ("StudyDate", "20210228.0", "acquired_at", "2021-02-28"),
        ("StudyDate", "20210231", "acquired_at", ""),
        ("StudyDate", "2021", "acquired_at", ""),
        ("KVP", "nan", "kvp", ""),
        ("KVP", "-1", "kvp", ""),
        ("KVP", "1e999", "kvp", ""),
        ("SliceThickness", "0", "slice_thickness_mm", ""),
        ("ConvolutionKernel", "YA", "kernel", "YA"),
        ("ConvolutionKernel", "[", "kernel", "["),
    ],
)
def test_what_says_nothing_usable_says_nothing(column, text, cell, value):
    assert acquisition_cells(SAID | {column: text})[cell] == value


@pytest.mark.parametrize(
    ("text", "found"),
    [("[0.7, 0.8]", (0.7, 0.8)), ("1.5", (1.5,)), ("", ()), ("[]", ()), ("[1, x]", ()), ("[1, inf]", ())],
)
def test_lists_of_numbers(text, found):
    assert numbers(text) == found
