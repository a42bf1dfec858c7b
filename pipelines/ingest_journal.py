"""What a killed ingest had finished: one line per frame, in the state folder, gone once the batch is in."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from components.cohort.scan import FrameKey


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of one frame: its row of frames.parquet, if it was taken, and what was turned away."""

    row: Mapping[str, Any] | None
    quarantine: tuple[Mapping[str, str], ...] = ()


@dataclass
class IngestJournal:
    """Append-only, readable by its owner alone: its keys are source paths."""

    path: Path = field(repr=False)

    def read(self) -> dict[FrameKey, Outcome]:
        """The finished frames; a last line that a kill cut short does not count."""
        done: dict[FrameKey, Outcome] = {}
        if not self.path.exists():
            return done
        for line in self.path.read_text().splitlines():
            try:
                entry = json.loads(line)
            except json.JSONDecodeError:
                continue
            outcome = Outcome(row=entry["row"], quarantine=tuple(entry["quarantine"]))
            done[(entry["source"], entry["index"])] = outcome
        return done

    def append(self, key: FrameKey, outcome: Outcome) -> None:
        """Record one finished frame; its files must be complete."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        entry = {
            "source": key[0],
            "index": key[1],
            "row": outcome.row and dict(outcome.row),
            "quarantine": [dict(item) for item in outcome.quarantine],
        }
        with os.fdopen(os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "a") as file:
            file.write("\n" + json.dumps(entry))  # the break first: a line cut short must not spoil this one

    def close(self) -> None:
        """The batch is in: forget."""
        self.path.unlink(missing_ok=True)
