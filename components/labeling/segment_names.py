"""Read a file's segments by the names that its header gives them."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping

from components.errors import InputError

_UNNAMED = re.compile(
    r"(segment|label)?_?\d*"
)  # what 3D Slicer and ITK-SNAP write when nobody named a segment


def known_values(segments: Mapping[int, str], names: Mapping[int, str]) -> dict[int, int]:
    """The file's value → our value, for each segment that its header names; unnamed segments keep theirs.

    Editors number segments as they were made, so the name wins over the number. Raises ``InputError`` for a
    name that is none of ours, and when two segments claim one structure.
    """
    ours = {_plain(name): value for value, name in names.items()}
    found: dict[int, int] = {}
    for value, name in sorted(segments.items()):
        plain = _plain(name)
        if _UNNAMED.fullmatch(plain):
            continue
        if plain not in ours:
            raise InputError(
                expected=f"segments named {', '.join(names.values())}",
                got=f"a segment named {name!r}",
                hint=f"renaming it to {_nearest(plain, ours, names)!r} or deleting it",
            )
        found[value] = ours[plain]
    if len(set(found.values())) < len(found):
        raise InputError(
            expected="one segment per structure",
            got=", ".join(f"{value}: {segments[value]}" for value in found),
            hint="merging the segments that share a name",
        )
    return found


def _nearest(plain: str, ours: Mapping[str, int], names: Mapping[int, str]) -> str:
    return names[ours[difflib.get_close_matches(plain, ours, n=1, cutoff=0.0)[0]]]


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", name.strip().lower()).strip("_")
