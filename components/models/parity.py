"""Which way to run a network: the first that gives plain torch's answer."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Iterable
from typing import TypeVar

Engine = TypeVar("Engine")

_log = logging.getLogger(__name__)


def first_that_agrees(
    plain: Engine,
    candidates: Iterable[tuple[str, Callable[[], Engine]]],
    change: Callable[[Engine], float],
    tolerance: float,
) -> Engine:
    """The first candidate that can be built and moves probabilities by no more than ``tolerance``, else ``plain``.

    Args:
        candidates: name and how to build it, the fastest first.
        change: largest change of a probability against ``plain``; infinite for an answer that is not finite.
    """
    for name, build in candidates:
        try:
            engine = build()
            moved = change(engine)
        except Exception as error:  # whatever a converter, compiler or driver raises: the next engine works
            tell(f"{name} is not used: {type(error).__name__}: {str(error).splitlines()[0:1]}")
            continue
        if moved <= tolerance:
            return engine
        tell(f"{name} is not used: it moves probabilities by {moved:.3g}, more than {tolerance:g}")
    return plain


@functools.cache
def tell(message: str) -> None:
    """Each message once per process."""
    _log.warning(message)
