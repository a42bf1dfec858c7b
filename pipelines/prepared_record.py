"""What is done in a folder of prepared files: name → the hash of its inputs, and what came of them."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipelines.progress import write_json

_SAVE_EVERY_S = 2.0


def content_key(*parts: Any) -> str:
    """Hash of JSON-able ``parts``."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


@dataclass
class PreparedRecord:
    """``FOLDER/keys.json``; written now and then, so that a killed run goes on where it stood."""

    folder: Path
    _earlier: dict[str, Any] = field(init=False, repr=False)
    _now: dict[str, Any] = field(init=False, repr=False, default_factory=dict)
    _saved: float = field(init=False, repr=False)

    def __post_init__(self) -> None:
        try:
            self._earlier = json.loads((self.folder / "keys.json").read_text())
        except (OSError, ValueError):
            self._earlier = {}
        self._saved = time.monotonic()

    def result(self, name: str, key: str) -> Any:
        """What ``name`` gave for these inputs, if it is done and its file is still there; else ``None``."""
        entry = self._earlier.get(name)
        if entry is None or entry["key"] != key:
            return None
        if "refused" not in entry["result"] and not (self.folder / entry["result"]["file"]).exists():
            return None
        self._now[name] = entry
        return entry["result"]

    def put(self, name: str, key: str, result: dict[str, Any]) -> None:
        """Record ``{"file": …}`` or ``{"refused": reason}``; the file must be complete."""
        self._now[name] = {"key": key, "result": result}
        if time.monotonic() - self._saved > _SAVE_EVERY_S:
            write_json(self.folder / "keys.json", {**self._earlier, **self._now})
            self._saved = time.monotonic()

    def close(self) -> None:
        """Forget whatever this run did not name."""
        write_json(self.folder / "keys.json", self._now)
