from __future__ import annotations

import pytest
from jinja2 import UndefinedError

from pipelines.render import data_uri, measured, number, percent, render, score


def test_the_base_is_self_contained_and_knows_dark() -> None:
    page = render("base.html")
    assert "prefers-color-scheme: dark" in page
    assert "http" not in page
    assert "<script" not in page


def test_a_missing_value_is_an_error_not_a_blank() -> None:
    with pytest.raises(UndefinedError):
        render("monitor.html")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.12345, "0.123"),
        (-2.0, "−2"),
        (12345.6, "12,346"),
        (None, "–"),
        (float("nan"), "–"),
        (float("inf"), "∞"),
    ],
)
def test_numbers(value: float | None, text: str) -> None:
    assert number(value) == text


def test_filters() -> None:
    assert [score(value) for value in (0.7, -0.0204, None)] == ["0.700", "−0.020", "–"]
    assert percent(0.934) == "93 %"
    assert percent(None) == "–"
    assert measured("meta_slice_thickness_mm") == "slice thickness mm"
    assert data_uri(b"\x89PNGx") == "data:image/png;base64,iVBOR3g="
    assert data_uri(b"<svg/>").startswith("data:image/svg+xml;base64,")


def test_webp_bytes_are_an_image_source() -> None:
    assert data_uri(b"RIFF\x00\x00\x00\x00WEBP").startswith("data:image/webp;base64,")
