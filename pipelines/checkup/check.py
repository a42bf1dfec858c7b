"""One finding of the doctor."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pipelines.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class Check:
    """What was looked at, whether it is as it should be, what was found, and what to do if it is not."""

    name: str
    ok: bool
    found: str
    fix: str


CheckOf = Callable[[Workspace], Check]
