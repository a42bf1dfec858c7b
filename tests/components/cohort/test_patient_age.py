from __future__ import annotations

import pytest

from components.cohort.patient_age import age_between, age_string, coarse_age


@pytest.mark.parametrize(
    ("text", "years"),
    [
        ("045Y", 45.0), ("011M", 11 / 12), ("003W", 21 / 365.25), ("012D", 12 / 365.25), (" 7 ", 7.0), ("63.0", 63.0),
        ("", None), ("Y", None), ("-05Y", None), ("045y", None), ("045Y\\046Y", None), ("131Y", None), ("٤٥", None),
    ],
)  # fmt: skip
def test_age_strings(text: str, years: float | None) -> None:
    assert age_string(text) == (years if years is None else pytest.approx(years))


@pytest.mark.parametrize(
    ("birth", "scan", "years"),
    [
        ("1980-02-29", "2021-02-28", 40.0), ("1980-02-29", "2021-03-01", 41.0), ("1980-05-01", "1980-05-01", 0.0),
        ("2020-01-31", "2020-02-29", 0.0), ("2020-01-31", "2021-12-31", 23 / 12), ("2020-01-31", "2022-01-31", 2.0),
        ("2021-01-02", "2021-01-01", None), ("1850-01-01", "2021-01-01", None), ("", "2021-01-01", None),
        ("2020-01-01", "", None), ("2020-02-30", "2021-01-01", None),
    ],
)  # fmt: skip
def test_age_between_dates(birth: str, scan: str, years: float | None) -> None:
    assert age_between(birth, scan) == (years if years is None else pytest.approx(years))


@pytest.mark.parametrize(
    ("years", "coarse"),
    [
        (45.9, 45.0),
        (2.0, 2.0),
        (1.999, 23 / 12),
        (21 / 365.25, 0.0),
        (11 / 12, 11 / 12),
        (101.0, 90.0),
        (None, None),
    ],
)
def test_ages_are_coarse(years: float | None, coarse: float | None) -> None:
    assert coarse_age(years) == (coarse if coarse is None else pytest.approx(coarse))
