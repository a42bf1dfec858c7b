"""One document, two renderings: neither leaves out what the other shows."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from typing import Any

from reportlab.platypus import Paragraph

from pipelines.figures.canvas import new_figure, on_both_papers, png
from pipelines.pilot.document import (
    Bullets,
    Callout,
    Cell,
    Document,
    Facts,
    Picture,
    Section,
    Subtitle,
    Table,
    Words,
    row,
)
from pipelines.pilot.pdf import pdf
from pipelines.pilot.pdf_blocks import flowables
from pipelines.render import render

TEXTS = [f"text-{i} <b> & “≥ −1”" for i in range(20)]


def document(rows: int = 2) -> Document:
    figure = new_figure(3.0, 1.0)
    paper = png(figure)
    light, dark = on_both_papers(figure)
    cells = row(Cell(text=TEXTS[8], soft=TEXTS[9]), Cell(text=TEXTS[10], tone="bad"))
    return Document(
        title=TEXTS[0], eyebrow=TEXTS[1], lead=TEXTS[2], foot="foot",
        sections=(
            Section(title=TEXTS[3], blocks=(
                Words(text=TEXTS[4]), Words(text=TEXTS[5], note=True), Subtitle(text=TEXTS[6]),
                Table(head=(TEXTS[7], "n"), rows=(cells,) * rows, numeric=frozenset({1}), widths=(2, 1)),
                Callout(title=TEXTS[11], text=TEXTS[12], tone="wait"), Facts(items=((TEXTS[13], TEXTS[14]),)),
                Bullets(items=(TEXTS[15], TEXTS[16])),
                Picture(
                    paper=paper, light=light, dark=dark, alt="alt", caption=TEXTS[17], width_inches=3.0,
                ),
            )),
            Section(title=TEXTS[18], blocks=(Words(text=TEXTS[19]),)),
        ),
    )  # fmt: skip


def paragraphs(part: Any) -> Iterator[str]:
    """The plain text of every paragraph in a flowable, at any depth."""
    if isinstance(part, Paragraph):
        yield part.getPlainText()
    for inner in part if isinstance(part, list | tuple) else (
        *getattr(part, "_cellvalues", ()), *getattr(part, "_content", ())
    ):  # fmt: skip
        yield from paragraphs(inner)


def test_page_and_pdf_show_every_text_and_escape_it() -> None:
    page = html.unescape(render("pilot.html", document=document()))
    laid_out = " ".join(paragraphs(flowables(document(), 500.0)))
    assert [text for text in TEXTS if text not in page] == []
    assert [text for text in TEXTS if text not in laid_out] == []
    assert "<b> &" not in render("pilot.html", document=document())


def test_equal_documents_give_equal_bytes() -> None:
    assert pdf(document()) == pdf(document())


def test_a_long_table_goes_on_to_further_pages() -> None:
    def pages(content: bytes) -> int:
        return len(re.findall(rb"/Type /Page\b(?!s)", content))

    assert pages(pdf(document())) == 1
    assert pages(pdf(document(rows=90))) > 2


def test_nothing_outside_is_asked_for() -> None:
    page = render("pilot.html", document=document())
    assert not re.search(r"(src|href)=\"(?!data:)", page)
    assert "prefers-color-scheme: dark" in page
