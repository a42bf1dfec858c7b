"""A report as a tree of blocks: one content, which every renderer shows in full.

All words and numbers are text by the time that they are here, so that no two renderings can round differently.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias

Tone = Literal["", "good", "bad", "wait"]


@dataclass(frozen=True, kw_only=True)
class Cell:
    """``text``, a softer second line (an interval, for example), and a tone that makes it a tag."""

    text: str
    soft: str = ""
    tone: Tone = ""


@dataclass(frozen=True, kw_only=True)
class Words:
    """A paragraph; a ``note`` is smaller."""

    kind: ClassVar[str] = "words"

    text: str
    note: bool = False


@dataclass(frozen=True, kw_only=True)
class Subtitle:
    kind: ClassVar[str] = "subtitle"

    text: str


@dataclass(frozen=True, kw_only=True)
class Callout:
    """What must not be overlooked."""

    kind: ClassVar[str] = "callout"

    title: str
    text: str
    tone: Tone = ""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """Terms with a short value each."""

    kind: ClassVar[str] = "facts"

    items: tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True)
class Bullets:
    kind: ClassVar[str] = "bullets"

    items: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Table:
    """Args:
    head: of each column.
    rows: as many cells as the head has.
    numeric: places of the columns that are set to the right.
    widths: of the columns to each other, where paper has no room to spare.
    """

    kind: ClassVar[str] = "table"

    head: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    numeric: frozenset[int] = frozenset()
    widths: tuple[float, ...]

    def __post_init__(self) -> None:
        assert all(len(row) == len(self.head) == len(self.widths) for row in self.rows)


@dataclass(frozen=True, kw_only=True, eq=False)
class Picture:
    """PNGs of one drawing, ``width_inches`` wide: on white paper, and for a light and for a dark page."""

    kind: ClassVar[str] = "picture"

    paper: bytes
    light: bytes
    dark: bytes
    alt: str
    caption: str
    width_inches: float


Block: TypeAlias = Words | Subtitle | Callout | Facts | Bullets | Table | Picture


@dataclass(frozen=True, kw_only=True, eq=False)
class Section:
    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class Document:
    """Args:
    eyebrow: a short line above the title.
    lead: below it.
    foot: at the foot of each page.
    """

    title: str
    eyebrow: str
    lead: str
    sections: tuple[Section, ...]
    foot: str


def row(*cells: str | Cell) -> tuple[Cell, ...]:
    """Cells of a table, plain ones given as text."""
    return tuple(cell if isinstance(cell, Cell) else Cell(text=cell) for cell in cells)
