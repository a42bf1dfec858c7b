"""What a person sees while a long job runs, and what a machine can read afterwards."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from components.adapters.whole_file import write_whole


class Journal:
    """Named steps with their results, kept in a file: a killed job continues after its last finished step.

    Args:
        path: JSON file; ``key`` says what the steps belong to (seed, code): another key starts afresh.
        total: number of steps, for the count that is shown.
    """

    def __init__(self, path: Path, *, key: str, total: int) -> None:
        self.path, self.total = path, total
        self._content: dict[str, Any] = {"key": key, "steps": {}}
        if path.exists():
            earlier = json.loads(path.read_text())
            if earlier.get("key") == key:
                self._content = earlier

    @property
    def seconds(self) -> dict[str, float]:
        """Seconds of each finished step."""
        return {name: float(step["seconds"]) for name, step in self._content["steps"].items()}

    def result(self, name: str) -> Any:
        """The recorded result of a finished step, else ``None``."""
        return self._content["steps"].get(name, {}).get("result")

    def done(self, name: str) -> bool:
        return name in self._content["steps"]

    def highest(self, name: str, value: int) -> int:
        """The largest ``value`` ever given for ``name``, by this process or an earlier one."""
        kept: dict[str, int] = self._content.setdefault("highest", {})
        if name not in kept or value > kept[name]:
            kept[name] = value
            write_json(self.path, self._content)
        return kept[name]

    @contextmanager
    def step(self, name: str, title: str) -> Iterator[dict[str, Any]]:
        """Show ``title``, time the block, record the JSON-able dictionary that it fills."""
        count = len(self._content["steps"]) + 1
        say(f"\n[{count}/{self.total}] {title}")
        result: dict[str, Any] = {}
        started = time.perf_counter()
        yield result
        seconds = round(time.perf_counter() - started, 2)
        self._content["steps"][name] = {"seconds": seconds, "result": result}
        write_json(self.path, self._content)
        say(f"      {seconds:.1f} s")


def say(text: str) -> None:
    """One line for a person, on standard error."""
    print(text, file=sys.stderr, flush=True)


def write_json(path: Path, content: Any) -> None:
    """Write atomically and durably, sorted, so that equal content gives equal bytes."""
    write_whole(path, json.dumps(content, indent=1, sort_keys=True) + "\n", durable=True)


def bar(title: str, unit: str = "frame") -> Callable[[int, int], None]:
    """A progress bar on standard error with the time left, to be called with (done, total); it begins then."""
    from tqdm import tqdm

    bars: list[tqdm[Any]] = []

    def show(done: int, total: int) -> None:
        if not bars:
            bars.append(tqdm(desc=title, unit=unit, total=total, file=sys.stderr, mininterval=0.5))
        (shown,) = bars
        shown.update(done - shown.n)
        if done >= total:
            shown.close()

    return show
