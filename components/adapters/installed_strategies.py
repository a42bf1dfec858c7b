"""Strategies that users add: installed packages name them under the entry point ``ctloop.strategies``.

    [project.entry-points."ctloop.strategies"]
    ours = "our_package.strategies:ours"

Their code runs in this process: installing a package is trusting it.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from importlib.metadata import EntryPoint, entry_points
from typing import cast

from components.acquisition.choice import Strategy
from components.acquisition.strategies import STRATEGIES
from components.errors import ParameterError

GROUP = "ctloop.strategies"


def find_strategy(name: str, installed: Iterable[EntryPoint] | None = None) -> Strategy:
    """The strategy that params.yaml calls ``name``; only an installed one that is asked for is loaded.

    Args:
        installed: entry points of the group; those of this interpreter unless given.

    Raises:
        ParameterError: an unknown name, one that two packages claim or that ctloop has itself, code that cannot be
            loaded, or that does not take (scorecards, embeddings, budget, generator).
    """
    points = list(entry_points(group=GROUP) if installed is None else installed)
    claims = [point for point in points if point.name == name]
    if len(claims) + (name in STRATEGIES) > 1:
        owners = [*(["ctloop"] if name in STRATEGIES else []), *map(_owner, claims)]
        raise ParameterError(
            expected=f"one strategy named {name!r}",
            got=f"one from each of {', '.join(owners)}",
            hint=f"another name for the entry point in the group {GROUP}",
        )
    if name in STRATEGIES:
        return STRATEGIES[name]
    if not claims:
        known = [*STRATEGIES, *sorted({point.name for point in points})]
        raise ParameterError(
            expected=f"a strategy of {', '.join(known)}", got=repr(name), hint="correcting monitor.strategy"
        )
    return _loaded(claims[0])


def _loaded(point: EntryPoint) -> Strategy:
    try:
        found = point.load()
    except Exception as error:
        raise ParameterError(
            expected=f"the strategy {point.name!r} of {_owner(point)} at {point.value}",
            got=f"{type(error).__name__}: {error}",
            hint="repairing or removing that package",
        ) from error
    if not _takes_four(found):
        raise ParameterError(
            expected=f"a function of (scorecards, embeddings, budget, generator) at {point.value}",
            got=f"{type(found).__name__} {getattr(found, '__name__', '')}".strip(),
            hint="the signature in components/acquisition/choice.py",
        )
    return cast(Strategy, found)


def _takes_four(found: object) -> bool:
    if not callable(found) or inspect.isclass(found):
        return False
    try:
        inspect.signature(found).bind(None, None, None, None)
    except (TypeError, ValueError):
        return False
    return True


def _owner(point: EntryPoint) -> str:
    return point.dist.name if point.dist else point.value
