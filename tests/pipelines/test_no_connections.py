"""Nothing leaves the machine: no package connects to anything once ctloop has switched telemetry off."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.pipelines.connections import (
    NO_NAMESPACES,
    ROOT,
    Method,
    addresses,
    connections_of,
    stages,
    unroutable,
    why_not,
)


def usable(method: Method) -> Method:
    if reason := why_not(method):
        pytest.skip(reason)
    return method


REACHES_OUT = """
import socket, subprocess, sys
if sys.argv[1:] == ["child"]:
    with socket.socket() as s:
        s.settimeout(0.2)
        s.connect_ex(("192.0.2.1", 9))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        try:
            s.sendto(b"x", ("192.0.2.2", 10))
        except OSError:
            pass
else:
    subprocess.run([sys.executable, __file__, "child"], check=True)
"""


@pytest.mark.parametrize(
    ("method", "expected"),
    [("strace", ["192.0.2.1:9", "192.0.2.2:10"]), ("namespace", ["2 attempts without a route"])],
)
def test_connections_of_a_child_are_seen(tmp_path: Path, method: Method, expected: list[str]) -> None:
    script = tmp_path / "reaches_out.py"
    script.write_text(REACHES_OUT)
    command = [sys.executable, str(script)]
    assert connections_of(command, cwd=tmp_path, trace=tmp_path / "trace", method=usable(method)) == expected


@pytest.mark.parametrize("method", ["strace", "namespace"])
def test_loopback_is_allowed(tmp_path: Path, method: Method) -> None:
    code = "import socket as s; a = s.create_server(('127.0.0.1', 0)); s.create_connection(a.getsockname())"
    command = [sys.executable, "-c", code]
    assert connections_of(command, cwd=tmp_path, trace=tmp_path / "trace", method=usable(method)) == []


def test_addresses_are_read_from_a_trace() -> None:
    trace = (
        '7 connect(3, {sa_family=AF_INET, sin_port=htons(80), sin_addr=inet_addr("127.0.0.1")}, 16) = 0\n'
        "7 connect(3, {sa_family=AF_INET6, sin6_port=htons(80), sin6_flowinfo=htonl(0), "
        'inet_pton(AF_INET6, "::1", &sin6_addr), sin6_scope_id=0}, 28) = 0\n'
        '7 connect(3, {sa_family=AF_UNIX, sun_path="/run/x"}, 16) = 0\n'
        "7 connect(3, {sa_family=AF_INET6, sin6_port=htons(443), sin6_flowinfo=htonl(0), "
        'inet_pton(AF_INET6, "2001:db8::1", &sin6_addr), sin6_scope_id=0}, 28) = -1\n'
    )
    assert addresses(trace) == ["2001:db8::1:443"]


def test_a_stage_that_a_child_starts_is_in_the_trace(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    command = ["sh", "-c", f"{sys.executable} -m pipelines.split --task segmentation --help; true"]
    connections_of(command, cwd=tmp_path, trace=trace, method=usable("strace"))
    assert stages(trace.read_text()) == {"split@segmentation"}


def test_a_container_without_namespaces_is_excused_where_strace_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usable("strace")
    (tmp_path / "unshare").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "unshare").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert why_not.__wrapped__("namespace") == NO_NAMESPACES


def test_counters_of_both_protocols_are_added() -> None:
    counters = "Ip: Forwarding OutNoRoutes\nIp: 1 2\nIp6OutNoRoutes                 \t3\n"
    assert unroutable(counters) == ["5 attempts without a route"]


PACKAGES = """
from pipelines.offline import switch_off_telemetry
switch_off_telemetry()
import dvc.api, evidently, lightning, mlflow, monai.bundle, pandera.pandas, torch
mlflow.set_tracking_uri("sqlite:///mlflow.db")
experiment = mlflow.create_experiment("e", artifact_location="artifacts")
with mlflow.start_run(experiment_id=experiment):
    mlflow.log_metric("dice", 0.5)
    mlflow.log_dict({"a": 1}, "a.json")
import pandas as pd
from evidently import Dataset, DataDefinition, Report
from evidently.metrics import MeanValue
from evidently.ui.workspace import Workspace
data = Dataset.from_pandas(pd.DataFrame({"x": [1.0, 2.0]}), DataDefinition(numerical_columns=["x"]))
snapshot = Report([MeanValue(column="x")]).run(data, None)
workspace = Workspace.create("evidently")
workspace.add_run(workspace.create_project("p").id, snapshot)
"""

DVC_REPRO = """
import subprocess, sys
from pathlib import Path
from pipelines.offline import switch_off_telemetry
switch_off_telemetry()
Path("dvc.yaml").write_text("stages:\\n  one:\\n    cmd: echo 1 > one.txt\\n    outs: [one.txt]\\n")
dvc = [sys.executable, "-m", "dvc"]
for command in (["git", "init", "-q"], [*dvc, "init", "-q"], [*dvc, "repro"]):
    subprocess.run(command, check=True)
"""

DVC_BY_HAND = """
import subprocess, sys
from pathlib import Path
subprocess.run(["git", "init", "-q"], check=True)
Path(".dvc").mkdir()
Path(".dvc/config").write_text(Path(CONFIG).read_text())
Path("dvc.yaml").write_text("stages:\\n  one:\\n    cmd: echo 1 > one.txt\\n    outs: [one.txt]\\n")
subprocess.run([sys.executable, "-m", "dvc", "repro"], check=True)
"""

SCRIPTS = {
    "imports, mlflow run, evidently report": PACKAGES,
    "dvc repro": DVC_REPRO,
    "dvc repro by hand": DVC_BY_HAND.replace("CONFIG", repr(str(ROOT / ".dvc" / "config"))),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", SCRIPTS)
def test_packages_connect_to_nothing(tmp_path: Path, name: str) -> None:
    method = usable("namespace") if why_not("strace") else "strace"
    script = tmp_path / "script.py"
    script.write_text(SCRIPTS[name])
    command = [sys.executable, str(script)]
    assert connections_of(command, cwd=tmp_path, trace=tmp_path / "trace", method=method) == []
