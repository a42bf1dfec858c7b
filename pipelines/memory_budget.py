"""How many frames fit into memory at a time."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

_OF_FREE = 0.8


@dataclass(eq=False)
class MemoryBudget:
    """Frames wait until what they need is free; one frame alone may always start.

    Args:
        limit_mb: for all frames together.
    """

    limit_mb: float
    _used_mb: float = 0.0
    _changed: threading.Condition = field(default_factory=threading.Condition)

    @contextmanager
    def hold(self, needed_mb: float) -> Iterator[None]:
        """Within the block ``needed_mb`` are taken; who does not know (infinity) runs alone."""
        taken = min(needed_mb, self.limit_mb)
        with self._changed:
            self._changed.wait_for(lambda: self._used_mb + taken <= self.limit_mb * (1 + 1e-9))
            self._used_mb += taken
        try:
            yield
        finally:
            with self._changed:
                self._used_mb -= taken
                if self._used_mb < 1e-6:  # sums of many sizes leave rounding behind
                    self._used_mb = 0.0
                self._changed.notify_all()


def memory_budget(memory_mb: float) -> MemoryBudget:
    """``memory_mb``, or four fifths of what the machine has free when that is 0."""
    if memory_mb:
        return MemoryBudget(memory_mb)
    import psutil

    return MemoryBudget(_OF_FREE * psutil.virtual_memory().available / 1e6)
