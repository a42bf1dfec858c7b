"""Watch a whole process tree for connections beyond loopback.

strace names every address that a process of the tree connects or sends to. Where it is missing, the command
runs in a network namespace of its own that holds only loopback, and the kernel counts what had no route.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Literal

from pipelines.offline import OFF

Method = Literal["strace", "namespace"]
NO_NAMESPACES = "no network namespaces are allowed here; strace, the required method, works"
ROOT = Path(__file__).parents[2]
_STRACE = (
    "strace", "-f", "--seccomp-bpf", "-qq", "-s", "64", "-e", "trace=execve,connect,sendto,sendmsg,sendmmsg",
    "-A", "-o",
)  # fmt: skip  # 64 characters of each word hold a stage's command
_NAMESPACE = ("unshare", "--map-root-user", "--net", "sh", "-c")
_COUNTED = 'ip link set lo up; out="$1"; shift; "$@"; code=$?; cat /proc/net/snmp /proc/net/snmp6 > "$out"; exit $code'
_STAGE = re.compile(r'execve\(.*"-m", "pipelines\.(\w+)", "--task", "(\w+)"')
_ADDRESS = re.compile(r"sin6?_port=htons\((\d+)\).*?(?:inet_addr\(|inet_pton\(AF_INET6, )\"([^\"]+)\"")


def connections_of(
    command: Sequence[str], *, cwd: Path, trace: Path, method: Method | None = None, timeout_s: float = 600
) -> list[str]:
    """Run ``command`` and return what its process tree reached for beyond loopback.

    ``ADDRESS:PORT`` each by strace; by namespace one entry with the number of attempts. Raises
    ``AssertionError`` with the output when the command itself fails.
    """
    method = method or ("strace" if not why_not("strace") else "namespace")
    counted = [*_NAMESPACE, _COUNTED, "sh", str(trace), *command]
    done = subprocess.run(
        traced(command, trace) if method == "strace" else counted,
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
        env=_shell(),
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    return addresses(trace.read_text()) if method == "strace" else unroutable(trace.read_text())


def traced(command: Sequence[str], trace: Path) -> list[str]:
    """``command`` under strace, which appends to ``trace`` what its process tree starts and connects to."""
    return [*_STRACE, str(trace), *command]


def stages(trace: str) -> set[str]:
    """The stages that strace followed, named as DVC does, such as ``train@segmentation``."""
    return {f"{stage}@{task}" for stage, task in _STAGE.findall(trace)}


def addresses(trace: str) -> list[str]:
    """The addresses in strace's output that are not this machine's loopback."""
    found = {match.groups() for line in trace.splitlines() if (match := _ADDRESS.search(line))}
    return sorted(f"{address}:{port}" for port, address in found if not _is_loopback(address))


def _is_loopback(address: str) -> bool:
    return address.removeprefix("::ffff:").startswith("127.") or address == "::1"


def unroutable(counters: str) -> list[str]:
    """From /proc/net/snmp and snmp6: attempts that had no route (RFC 4293, ip…OutNoRoutes)."""
    names, values = (line.split() for line in counters.splitlines() if line.startswith("Ip:"))
    count = int(dict(zip(names, values, strict=True))["OutNoRoutes"])
    count += sum(int(line.split()[1]) for line in counters.splitlines() if line.startswith("Ip6OutNoRoutes"))
    return [f"{count} attempts without a route"] if count else []


@cache
def why_not(method: Method) -> str:
    """The reason that ``method`` cannot be used here; empty when it can.

    ``NO_NAMESPACES`` is the one that is no fault: many containers forbid them, and strace alone proves the same.
    """
    program, package = ("strace", "strace") if method == "strace" else ("ip", "iproute2")
    if shutil.which(program) is None:
        return f"{program} is not installed (Debian package: {package})"
    probe = [*_STRACE, os.devnull, "true"] if method == "strace" else [*_NAMESPACE, "ip link set lo up"]
    done = subprocess.run(probe, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return ""
    if method == "namespace" and not why_not("strace"):
        return NO_NAMESPACES
    return f"{method} is not allowed here: {done.stderr.strip()}"


def users_shell() -> dict[str, str]:
    """The environment without our switches and CI's, as a user has it, so that the code's own are proved."""
    ours = {*OFF, "CI", "GITHUB_ACTIONS", "PYTEST_CURRENT_TEST", "PYTEST_VERSION"}
    return {name: value for name, value in os.environ.items() if name not in ours and "TELEMETRY" not in name}


def _shell() -> dict[str, str]:
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    return {**users_shell(), "PATH": path, "PYTHONPATH": str(ROOT)}
