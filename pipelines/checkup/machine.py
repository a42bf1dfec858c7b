"""What the doctor checks on the machine and in the clone."""

from __future__ import annotations

import configparser
import os
import shutil
import socket
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import yaml

from components.cohort.pseudonym import key_fingerprint
from components.cohort.task import TASKS, Task
from components.errors import StateError
from pipelines import pseudonym_key as key
from pipelines.batch_list import read_batches, source_of
from pipelines.checkup.check import Check, CheckOf
from pipelines.offline import OFF
from pipelines.workspace import Workspace

DISK_GIB, MEMORY_GIB = 5.0, 4.0
_GIB = 2.0**30


def python_version(workspace: Workspace) -> Check:
    found = ".".join(map(str, sys.version_info[:3]))
    return Check(
        name="python", ok=sys.version_info >= (3, 11), found=found, fix="make install PYTHON=python3.11"
    )


def packages(workspace: Workspace) -> Check:
    """Installed versions against the lock file; local tags such as ``+cpu`` do not count."""
    lines = (workspace.root / "requirements.lock").read_text().splitlines()
    pins = [line.split(";")[0].strip().split("==") for line in lines if "==" in line and line[0] not in "#- "]
    wrong = [found for name, version in pins if (found := _difference(name, version))]
    more = f" and {len(wrong) - 5} more" if len(wrong) > 5 else ""
    return Check(
        name="packages",
        ok=not wrong,
        found=", ".join(wrong[:5]) + more if wrong else f"{len(pins)} as locked",
        fix="make install",
    )


def _difference(name: str, version: str) -> str:
    name = name.split("[")[0]
    try:
        installed = metadata.version(name)
    except metadata.PackageNotFoundError:
        return f"{name} missing"
    return "" if installed.split("+")[0] == version.split("+")[0] else f"{name} {installed}, locked {version}"


def disk(workspace: Workspace) -> Check:
    free = shutil.disk_usage(workspace.root).free / _GIB
    return Check(
        name="disk",
        ok=free >= DISK_GIB,
        found=f"{free:.0f} GiB free",
        fix=f"making {DISK_GIB:.0f} GiB free, or `dvc gc --workspace`",
    )


def memory(workspace: Workspace) -> Check:
    import psutil

    available = psutil.virtual_memory().available
    limit = Path("/sys/fs/cgroup/memory.max")  # a container's limit, which the kernel's total does not show
    if limit.is_file() and limit.read_text().strip().isdigit():
        available = min(available, int(limit.read_text()))
    return Check(
        name="memory",
        ok=available >= MEMORY_GIB * _GIB,
        found=f"{available / _GIB:.1f} GiB available",
        fix=f"ending other programs until {MEMORY_GIB:.0f} GiB are free",
    )


def git_clone(workspace: Workspace) -> Check:
    done = subprocess.run(
        ("git", "rev-parse", "--show-toplevel"),
        cwd=workspace.root,
        capture_output=True,
        text=True,
        check=False,
    )
    ok = done.returncode == 0 and Path(done.stdout.strip()).resolve() == workspace.root
    return Check(
        name="git clone",
        ok=ok,
        found="a clone" if ok else done.stderr.strip() or "a folder inside another clone",
        fix="running from the root of your clone of this repository",
    )


def dvc(workspace: Workspace) -> Check:
    missing = [name for name in (".dvc/config", "dvc.yaml") if not (workspace.root / name).is_file()]
    return Check(
        name="dvc",
        ok=not missing,
        found=f"{', '.join(missing)} missing" if missing else "initialised",
        fix="git checkout -- .dvc dvc.yaml",
    )


def dvc_telemetry(workspace: Workspace) -> Check:
    """In the file, since users call ``dvc`` themselves, without our environment."""
    config = configparser.ConfigParser()
    config.read([workspace.root / ".dvc" / name for name in ("config", "config.local")])
    core = config["core"] if config.has_section("core") else {}
    on = [name for name in ("analytics", "check_update") if core.get(name, "true").lower() != "false"]
    return Check(
        name="dvc telemetry",
        ok=not on,
        found=f"{', '.join(on)} on" if on else "off",
        fix="; ".join(f"dvc config core.{name} false" for name in on) or "nothing",
    )


def telemetry(workspace: Workspace) -> Check:
    unset = [name for name, value in OFF.items() if os.environ.get(name) != value]
    return Check(
        name="telemetry",
        ok=not unset,
        found=f"not set: {', '.join(unset)}" if unset else "off in this process and its children",
        fix="calling `ctloop`, or `python -m pipelines.…`, which set these variables",
    )


def pseudonym_key(workspace: Workspace) -> Check:
    """Readable by its owner only, and the one that the batches were pseudonymised with."""
    listed = read_batches(workspace)
    if not os.environ.get("CTLOOP_PSEUDONYM_KEY") and not workspace.pseudonym_key.is_file():
        return Check(
            name="pseudonym key",
            ok=not listed.pseudonym_key,
            found="lost" if listed.pseudonym_key else "none yet; made with the first batch",
            fix="restoring it in the state folder, or setting CTLOOP_PSEUDONYM_KEY",
        )
    listed.checked(
        key_fingerprint(key.pseudonym_key(workspace))
    )  # raises when it is another, or open to others
    return Check(name="pseudonym key", ok=True, found="present", fix="nothing")


def batches(workspace: Workspace) -> Check:
    """Every batch's scans can be reached; names only, since paths may identify."""
    listed = read_batches(workspace)
    named = [(task, batch.name) for task in TASKS for batch in listed.batches[task]]
    lost = [f"{task}/{name}" for task, name in named if not _reachable(workspace, task, name)]
    return Check(
        name="batches",
        ok=not lost,
        found=f"no scans for {', '.join(lost)}" if lost else f"{len(named)} reachable",
        fix="mounting their folder, `ctloop add --name NAME --source DIR`, or `dvc pull`",
    )


def _reachable(workspace: Workspace, task: Task, name: str) -> bool:
    try:
        source_of(workspace, task, name)
    except StateError:
        return False
    return True


def ports(workspace: Workspace) -> Check:
    """Nobody else listens where ``ctloop serve`` wants to."""
    port = int(yaml.safe_load(workspace.params.read_text())["serve"]["port"])
    free = free_port(port)
    return Check(
        name="ports",
        ok=free,
        found=f"{port} is {'free' if free else 'in use'}",
        fix="nothing if that is your own `ctloop serve`; else another `serve.port`",
    )


def free_port(port: int) -> bool:
    """Whether nobody listens on the loopback port."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


MACHINE_CHECKS: tuple[CheckOf, ...] = (
    python_version,
    packages,
    disk,
    memory,
    git_clone,
    dvc,
    dvc_telemetry,
    telemetry,
    pseudonym_key,
    batches,
    ports,
)
