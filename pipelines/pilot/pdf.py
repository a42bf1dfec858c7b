"""A document as a PDF: A4, numbered pages, an outline, fonts inside the file. Equal documents give equal bytes."""

from __future__ import annotations

import io
from typing import Any

from reportlab.lib.colors import HexColor
from reportlab.lib.pagesizes import A4
from reportlab.lib.units import mm
from reportlab.platypus import BaseDocTemplate, Frame, PageTemplate

from pipelines.pilot.document import Document
from pipelines.pilot.pdf_blocks import SOFT, Heading, flowables
from pipelines.pilot.pdf_fonts import PLAIN

_MARGIN = 18 * mm
_WIDTH = A4[0] - 2 * _MARGIN


def pdf(document: Document) -> bytes:
    """The file's bytes. It is laid out twice: how many pages there are is known after the first time."""
    _, pages = _laid_out(document, None)
    content, _ = _laid_out(document, pages)
    return content


class _Pages(BaseDocTemplate):  # type: ignore[misc]
    """Each heading becomes an entry of the outline."""

    def afterFlowable(self, flowable: Any) -> None:  # noqa: N802 (the name that platypus calls)
        if isinstance(flowable, Heading):
            self.canv.bookmarkPage(flowable.key)
            self.canv.addOutlineEntry(flowable.title, flowable.key, level=0)


def _laid_out(document: Document, pages: int | None) -> tuple[bytes, int]:
    buffer = io.BytesIO()
    template = _Pages(
        buffer, pagesize=A4, title=document.title, author="ctloop", subject=document.eyebrow, creator="ctloop",
        leftMargin=_MARGIN, rightMargin=_MARGIN, invariant=1,
    )  # fmt: skip
    frame = Frame(_MARGIN, 20 * mm, _WIDTH, A4[1] - 36 * mm, leftPadding=0, rightPadding=0, id="page")

    def foot(canvas: Any, shown: Any) -> None:
        canvas.setFont(PLAIN, 7)
        canvas.setFillColor(HexColor(SOFT))
        canvas.drawString(_MARGIN, 11 * mm, document.foot)
        canvas.drawRightString(A4[0] - _MARGIN, 11 * mm, f"{shown.page} / {pages}")

    template.addPageTemplates([PageTemplate(id="page", frames=[frame], onPage=foot)])
    template.build(flowables(document, _WIDTH))
    return buffer.getvalue(), int(template.page)
