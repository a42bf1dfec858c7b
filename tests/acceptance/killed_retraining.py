"""Kill scheduled retrainings of the demo at random instants; history, registry and ledger must tell one story.

``python -m tests.acceptance.killed_retraining --kills 10`` after `make demo`. Each start is
``ctloop scheduler --once retrain --task TASK``, killed with all its processes after a random time; after each kill the
ledger must verify. At the end one retraining has finished, one version was registered, one verdict given, and nothing
of the killed ones is left: no clone, no run that is called running, no lease that is held. The instants follow from
``--draw``, which is printed.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import yaml

from components.adapters.sql_store import SqlStore
from components.cohort.task import Task
from pipelines.composition import MODEL_NAMES, Services
from pipelines.lease import lease_unless_held
from pipelines.registry_lease import lease_name
from pipelines.schedule.jobs import Job
from pipelines.schedule.supervisor import lease_of
from pipelines.workspace import Workspace
from tests.acceptance.killed_demo import kill_tree

ROOT = Path(__file__).parents[2]
DEMO = ROOT / ".ctloop" / "demo"
TASK: Task = "segmentation"
JOB = ("scheduler", "--once", "retrain", "--task", TASK)
BUSY = 75  # the lease of the killed one has not run out yet


def ctloop(*words: str) -> list[str]:
    return [sys.executable, "-m", "pipelines.cli", *words, "--workspace", str(DEMO)]


def environment() -> dict[str, str]:
    """The demo's workspace runs its own code."""
    kept = {
        k: v
        for k, v in os.environ.items()
        if k not in ("CTLOOP_STATE", "CTLOOP_DATABASE_URL", "CTLOOP_MLFLOW_URI")
    }
    return {**kept, "PYTHONPATH": str(DEMO), "CTLOOP_CODE": str(DEMO)}


def run(*words: str, seconds: float | None = None) -> int | None:
    """Exit code, ``None`` when it was killed after ``seconds``."""
    with subprocess.Popen(
        ctloop(*words), cwd=DEMO, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            return process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            kill_tree(process.pid)
            return None


def retrain(seconds: float | None) -> int | None:
    """The job, as soon as the lease of the one before allows it."""
    while (code := run(*JOB, seconds=seconds)) == BUSY:
        time.sleep(3.0)
    return code


def new_seed(draw: int) -> None:
    """Something to train: another seed of the plan; and a scheduler that soon finds a killed run."""
    params = DEMO / "pipelines" / "params.yaml"
    before = yaml.safe_load(params.read_text())["train"][TASK]["plan"]["seed"]
    text = params.read_text()
    head, _, tail = text.partition(f"\n  {TASK}:\n    provenances:")
    assert tail, "the shipped layout of section train"
    params.write_text(
        head
        + f"\n  {TASK}:\n    provenances:"
        + tail.replace(f"seed: {before}", f"seed: {before + 1 + draw % 1000}", 1)
    )
    text = params.read_text()
    for shipped, quick in (
        ("lease_seconds: 60.0", "lease_seconds: 6.0"),
        ("back_off_minutes: 5.0", "back_off_minutes: 0.0"),
    ):
        assert shipped in text, shipped
        text = text.replace(shipped, quick)
    params.write_text(text)
    git = ("git", "-c", "user.name=t", "-c", "user.email=t@localhost")
    subprocess.run((*git, "commit", "-qam", "another seed"), cwd=DEMO, check=True)


def story() -> dict[str, Any]:
    """What the three of them say."""
    services = Services(Workspace.at(DEMO))
    name, store = MODEL_NAMES[TASK], services.store
    versions = services.registry.versions(name)
    registered = [e.subject for e in store.entries("register") if e.subject.startswith(f"{name}/")]
    gates = [e.subject for e in store.entries("gate") if e.subject.startswith(f"{name}/")]
    clones = DEMO / ".ctloop" / "clones"
    still = still_running(services.workspace, store)
    told = {
        "versions": sorted(f"{name}/{version.version}" for version in versions),
        "registered": sorted(set(registered)),
        "registered_twice": len(registered) - len(set(registered)),
        "gated": gates,
        "left": [*(sorted(path.name for path in clones.iterdir()) if clones.is_dir() else []), *still],
    }
    store.close()
    return told


def still_running(workspace: Workspace, store: SqlStore) -> list[str]:
    """What job history and leases say is at work, in words; nothing, where nothing is."""
    jobs = [f"job {run.kind}, running since {run.started}" for run in store.jobs() if run.status == "running"]
    runs = [f"scheduled run {run.id} of {run.job}, {run.status}" for run in store.runs.running()]
    names = (lease_of(Job(kind="retrain", task=TASK)), lease_name(MODEL_NAMES[TASK]))
    held = [f"lease {name!r}" for name in names if store.leases.holder(name) is not None]
    with lease_unless_held(workspace.lease, "killed_retraining") as free:
        return [*jobs, *runs, *held, *([] if free else ["the lease of the workspace"])]


def main() -> None:
    """Exit code 0 when nothing contradicts anything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=2)
    parser.add_argument("--longest", type=float, default=40.0, help="seconds")
    parser.add_argument("--draw", type=int, default=time.time_ns() % 10**6)
    arguments = parser.parse_args()
    rng = random.Random(arguments.draw)
    instants = [rng.uniform(1.0, arguments.longest) for _ in range(arguments.kills)]
    print(f"draw {arguments.draw}: killing after {', '.join(f'{s:.1f}' for s in instants)} s", flush=True)
    before = story()
    new_seed(arguments.draw)
    wrong: list[str] = []
    for instant in instants:
        code = retrain(instant)
        verified = run("ledger", "verify")
        print(
            f"after {instant:.1f} s: {'killed' if code is None else f'exit code {code}'}, ledger verify {verified}"
        )
        if verified != 0:
            wrong.append(f"the ledger does not verify after {instant:.1f} s")
    code = retrain(None)
    after = story()
    wrong += [] if code == 0 else [f"the last run ended with {code}"]
    wrong += [] if run("ledger", "verify") == 0 else ["the ledger does not verify at the end"]
    new = sorted(set(after["versions"]) - set(before["versions"]))
    if len(new) != 1:
        wrong.append(f"expected one new version, got {new}")
    if after["versions"] != after["registered"] or after["registered_twice"] != before["registered_twice"]:
        wrong.append("registry and ledger name other versions")
    if not new or new[0] not in after["gated"]:
        wrong.append("no verdict about the new version")
    wrong += [f"left behind: {name}" for name in after["left"]]
    print(json.dumps({"before": before, "after": after, "wrong": wrong}, indent=1))
    raise SystemExit(bool(wrong))


if __name__ == "__main__":
    main()
