"""Kill the demo's whole process tree at random instants, start it again each time, and compare the outcome.

``python -m tests.acceptance.killed_demo`` after `make demo`: a fresh clone must end with the same data hashes
and the same table as the run that nobody killed. The instants follow from ``--draw``, which is printed.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).parents[2]
CTLOOP = ROOT / ".venv" / "bin" / "ctloop"
SUMMARY = Path(".ctloop", "demo", "report", "summary.json")


def kill_tree(pid: int) -> int:
    """``kill -9`` of a process and all below it, parents first, so that none is started again; how many."""
    parent = psutil.Process(pid)
    parent.suspend()
    tree = [parent, *parent.children(recursive=True)]
    for process in tree:
        try:
            process.send_signal(signal.SIGKILL)
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(tree, timeout=30)
    return len(tree)


def steps_done(clone: Path) -> int:
    """Finished steps in the journal of the demo in ``clone``."""
    journal = clone / ".ctloop" / "demo" / ".ctloop" / "journal.json"
    return len(json.loads(journal.read_text())["steps"]) if journal.exists() else 0


def run(clone: Path, seed: int, instants_s: list[float]) -> None:
    """Run the demo in ``clone``, killed that many seconds after each start, then to its end."""
    command = [str(CTLOOP), "demo", "--seed", str(seed)]
    for instant in [*instants_s, None]:
        with subprocess.Popen(command, cwd=clone) as process:
            try:
                code = process.wait(timeout=instant)
            except subprocess.TimeoutExpired:
                killed = kill_tree(process.pid)
                done = steps_done(clone)
                print(f"killed {killed} processes after {instant:.1f} s, {done} steps done", flush=True)
                continue
            if code or instant is not None:
                raise SystemExit(f"expected the demo to run on, got exit code {code} before {instant} s")


def outcome(summary: Path) -> dict[str, Any]:
    """What must not depend on being killed; ids and times may."""
    content = json.loads(summary.read_text())
    return {key: content[key] for key in ("seed", "table", "data_hashes", "bad_challengers", "drift")}


def main() -> None:
    """Clone, run and kill, compare with the demo of this checkout."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=3)
    parser.add_argument("--draw", type=int, default=time.time_ns() % 10**6)
    arguments = parser.parse_args()
    unharmed = outcome(ROOT / SUMMARY)
    total = sum(json.loads((ROOT / SUMMARY).read_text())["seconds"].values())
    rng = random.Random(arguments.draw)
    instants = [rng.uniform(0.03, 0.9 / arguments.kills) * total for _ in range(arguments.kills)]
    print(f"draw {arguments.draw}: killing after {', '.join(f'{s:.1f}' for s in instants)} s", flush=True)
    clone = ROOT / ".ctloop" / "killed-demo"
    shutil.rmtree(clone, ignore_errors=True)
    subprocess.run(("git", "clone", "--quiet", str(ROOT), str(clone)), check=True)
    started = time.monotonic()
    run(clone, unharmed["seed"], instants)
    harmed = outcome(clone / SUMMARY)
    differing = [key for key in unharmed if unharmed[key] != harmed[key]]
    print(f"{arguments.kills} kills, {time.monotonic() - started:.0f} s; differing: {differing or 'nothing'}")
    sys.exit(bool(differing))


if __name__ == "__main__":
    main()
