"""Work on many items at a time, finished ones first, so that a killed run has lost as little as possible."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def each(
    work: Callable[[Item], Result],
    items: Sequence[Item],
    *,
    parallel: int,
    title: str,
    unit: str,
    stop: Callable[[], None],
) -> Iterator[Result]:
    """Results as they come, with a bar on standard error that shows the time left.

    Args:
        parallel: threads; one works in the caller's own.
        stop: called when the caller is interrupted or fails, so that no thread goes on for long.
    """
    from tqdm import tqdm

    with tqdm(total=len(items), desc=title, unit=unit, file=sys.stderr, mininterval=1.0) as bar:
        for result in _results(work, items, parallel, stop):
            yield result
            bar.update()


def _results(
    work: Callable[[Item], Result], items: Sequence[Item], parallel: int, stop: Callable[[], None]
) -> Iterator[Result]:
    if parallel == 1:
        yield from map(work, items)
        return
    from concurrent.futures import ThreadPoolExecutor, as_completed

    with ThreadPoolExecutor(max_workers=parallel) as pool:
        futures = [pool.submit(work, item) for item in items]
        try:
            for future in as_completed(futures):
                yield future.result()
        except BaseException:  # also a Ctrl-C, and a caller that stops asking
            pool.shutdown(wait=False, cancel_futures=True)
            stop()
            raise
