"""What a package takes to predict one frame: seconds and memory, measured in a process of its own.

``python -m pipelines.footprint PACKAGE FRAME.b2nd`` prints them as JSON.
"""

from __future__ import annotations

import json
import logging
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from components.registry.gate_limits import Traits
from pipelines.progress import write_json

Measure = Callable[[Path, str], Traits]
"""(package folder, its hash) → ``seconds`` and ``memory_mb``."""

_PASSES = 4  # the first is warm-up; the fastest of the others counts, since other work only slows
_TIMEOUT_S = 900
_log = logging.getLogger(__name__)


def footprints(frame: Path, kept: Path) -> Measure:
    """Measure on the stored ``frame``; what this machine has measured before is read from the file ``kept``."""

    def measure(package: Path, package_hash: str) -> Traits:
        known = json.loads(kept.read_text()) if kept.is_file() else {}
        key = f"{package_hash} {frame.stem} {platform.node()}"
        if key not in known:
            found = _in_own_process(package, frame)
            if found is None:
                return Traits()
            known[key] = found
            write_json(kept, known)
        return Traits(seconds=known[key]["seconds"], memory_mb=known[key]["memory_mb"])

    return measure


def _in_own_process(package: Path, frame: Path) -> dict[str, float] | None:
    """``None``, and a warning, when the package could not be measured."""
    command = (sys.executable, "-m", "pipelines.footprint", str(package), str(frame))
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=True)
        found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    except (subprocess.SubprocessError, ValueError, IndexError) as error:
        words = str(getattr(error, "stderr", "") or error).strip().splitlines()
        _log.warning("seconds and memory of a package could not be measured: %s", words[-1] if words else "")
        return None
    return found


def _measure(package: Path, frame: Path) -> dict[str, float]:
    from components.adapters.blosc_store import load_volume
    from components.models.package import load_predictor

    volume = load_volume(frame)
    before = psutil.Process().memory_info().rss
    predictor = load_predictor(package)
    seconds = []
    for _ in range(_PASSES):
        start = time.perf_counter()
        predictor.predict(volume)
        seconds.append(time.perf_counter() - start)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024  # KiB on Linux
    return {
        "seconds": round(min(seconds[1:]), 4),
        "memory_mb": round(max(peak - before, 0) / 2**20, 1),
    }


if __name__ == "__main__":
    print(json.dumps(_measure(Path(sys.argv[1]), Path(sys.argv[2]))))
