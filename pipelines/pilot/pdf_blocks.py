"""The blocks of a document as what ReportLab lays out on pages."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any
from xml.sax.saxutils import escape

from reportlab.lib.colors import HexColor
from reportlab.lib.enums import TA_RIGHT
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import inch
from reportlab.platypus import CondPageBreak, Flowable, Image, KeepTogether, Paragraph, Spacer
from reportlab.platypus import Table as Grid

from pipelines.pilot.document import (
    Block,
    Bullets,
    Callout,
    Cell,
    Document,
    Facts,
    Picture,
    Subtitle,
    Table,
    Words,
)
from pipelines.pilot.pdf_fonts import BOLD, PLAIN, register_fonts

# The inks of templates/base.html, light.
INK, SOFT, LINE, CARD = "#1b1f24", "#5b6470", "#dfe3e8", "#f6f7f9"
_INKS = {"good": "#1a7f4b", "bad": "#b3261e", "wait": "#8a5a00", "": SOFT}
_PAPERS = {"good": "#e3f4ea", "bad": "#fbe9e7", "wait": "#fdf1d8", "": CARD}
_PER_ROW = 3  # facts
_KEPT_WHOLE = 8  # rows of a table that no page break may part


def _style(size: float, *, font: str = PLAIN, ink: str = INK, **more: Any) -> ParagraphStyle:
    return ParagraphStyle(
        "ctloop",
        fontName=font,
        fontSize=size,
        leading=1.42 * size,
        textColor=HexColor(ink),
        allowWidows=0,
        allowOrphans=0,
        **more,
    )


_TITLE = _style(18, font=BOLD, spaceAfter=6)
_EYEBROW = _style(8, ink=SOFT, spaceAfter=3)
_BODY = _style(9, spaceAfter=6)
_NOTE = _style(7.6, ink=SOFT, spaceBefore=4, spaceAfter=6)
_HEADING = _style(13, font=BOLD, spaceBefore=14, spaceAfter=6)
_SUBTITLE = _style(10, font=BOLD, spaceBefore=8, spaceAfter=4)
_BULLET = _style(8.4, leftIndent=11, bulletIndent=2, spaceAfter=2.5)
_CELL, _NUMBER = _style(7.8), _style(7.8, alignment=TA_RIGHT)
_HEAD, _NUMBER_HEAD = _style(7.4, font=BOLD, ink=SOFT), _style(7.4, font=BOLD, ink=SOFT, alignment=TA_RIGHT)
_TERM, _VALUE = _style(7.4, ink=SOFT), _style(12, font=BOLD)


class Heading(Paragraph):  # type: ignore[misc]
    """A chapter's title, which the outline of the file names too."""

    def __init__(self, title: str, key: str) -> None:
        super().__init__(escape(title), _HEADING)
        self.title, self.key = title, key


def flowables(document: Document, width: float) -> list[Flowable]:
    """All of a document, top to bottom; ``width`` in points."""
    register_fonts()
    story: list[Flowable] = [
        Paragraph(escape(document.eyebrow), _EYEBROW),
        Paragraph(escape(document.title), _TITLE),
        Paragraph(escape(document.lead), _BODY),
    ]
    for number, section in enumerate(document.sections, 1):
        story += [CondPageBreak(1.6 * inch), Heading(f"{number}. {section.title}", f"section-{number}")]
        for block in section.blocks:
            story += _flowables(block, width)
    return story


def _flowables(block: Block, width: float) -> Iterator[Flowable]:
    match block:
        case Words():
            yield Paragraph(escape(block.text), _NOTE if block.note else _BODY)
        case Subtitle():
            yield CondPageBreak(1.2 * inch)
            yield Paragraph(escape(block.text), _SUBTITLE)
        case Callout():
            yield from (_callout(block, width), Spacer(0, 6))
        case Facts():
            yield from (_facts(block, width), Spacer(0, 6))
        case Bullets():
            yield from (Paragraph(escape(item), _BULLET, bulletText="•") for item in block.items)
            yield Spacer(0, 4)
        case Table():
            table = _table(block, width)
            yield KeepTogether([table]) if len(block.rows) <= _KEPT_WHOLE else table
            yield Spacer(0, 3)
        case Picture():
            yield _picture(block, width)


def _callout(block: Callout, width: float) -> Grid:
    title = _style(10.5, font=BOLD, ink=_INKS[block.tone] if block.tone else INK, spaceAfter=2)
    inside = [Paragraph(escape(block.title), title), Paragraph(escape(block.text), _style(8.6))]
    return Grid(
        [[inside]],
        colWidths=[width],
        style=[
            ("BACKGROUND", (0, 0), (-1, -1), HexColor(_PAPERS[block.tone])),
            ("LINEBEFORE", (0, 0), (0, -1), 3, HexColor(_INKS[block.tone])),
            ("LEFTPADDING", (0, 0), (-1, -1), 10),
            ("TOPPADDING", (0, 0), (-1, -1), 6),
            ("BOTTOMPADDING", (0, 0), (-1, -1), 8),
        ],
    )


def _facts(block: Facts, width: float) -> Grid:
    cells: list[Any] = [
        [Paragraph(escape(term), _TERM), Paragraph(escape(value), _VALUE)] for term, value in block.items
    ]
    cells += [""] * (-len(cells) % _PER_ROW)
    rows = [cells[start : start + _PER_ROW] for start in range(0, len(cells), _PER_ROW)]
    return Grid(
        rows,
        colWidths=[width / _PER_ROW] * _PER_ROW,
        style=[
            ("BACKGROUND", (0, 0), (-1, -1), HexColor(CARD)),
            ("INNERGRID", (0, 0), (-1, -1), 3, HexColor("#ffffff")),
            ("VALIGN", (0, 0), (-1, -1), "TOP"),
            ("BOTTOMPADDING", (0, 0), (-1, -1), 7),
        ],
    )


def _table(block: Table, width: float) -> Grid:
    """Its head is repeated on every page that it goes on to."""
    right = [place in block.numeric for place in range(len(block.head))]
    head = [
        Paragraph(escape(title), _NUMBER_HEAD if is_right else _HEAD)
        for title, is_right in zip(block.head, right, strict=True)
    ]
    rows = [
        [_cell(cell, _NUMBER if is_right else _CELL) for cell, is_right in zip(cells, right, strict=True)]
        for cells in block.rows
    ]
    total = sum(block.widths)
    return Grid(
        [head, *rows],
        colWidths=[width * part / total for part in block.widths],
        repeatRows=1,
        style=[
            ("LINEBELOW", (0, 0), (-1, 0), 0.8, HexColor(SOFT)),
            ("LINEBELOW", (0, 1), (-1, -1), 0.4, HexColor(LINE)),
            ("VALIGN", (0, 0), (-1, 0), "BOTTOM"),
            ("VALIGN", (0, 1), (-1, -1), "TOP"),
            ("LEFTPADDING", (0, 0), (-1, -1), 5),
            ("LEFTPADDING", (0, 0), (0, -1), 1),
            ("RIGHTPADDING", (0, 0), (-1, -1), 4),
            ("TOPPADDING", (0, 0), (-1, -1), 2.5),
            ("BOTTOMPADDING", (0, 0), (-1, -1), 3.5),
        ],
    )


def _cell(cell: Cell, style: ParagraphStyle) -> Paragraph:
    text = escape(cell.text)
    if cell.tone:
        text = f'<font name="{BOLD}" color="{_INKS[cell.tone]}">{text}</font>'
    if cell.soft:
        text += f'<br/><font size="6.8" color="{SOFT}">{escape(cell.soft)}</font>'
    return Paragraph(text, style)


def _picture(block: Picture, width: float) -> KeepTogether:
    image = Image(io.BytesIO(block.paper))
    drawn = min(width, block.width_inches * inch)
    image.drawWidth, image.drawHeight = drawn, drawn * image.imageHeight / image.imageWidth
    return KeepTogether([Spacer(0, 4), image, Paragraph(escape(block.caption), _NOTE)])
