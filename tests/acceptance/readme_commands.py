"""Run the commands of README.md as they stand there, each under strace. `.ci/real-loop` does so in a fresh clone.

Only what CI must is replaced: the installation is CI's own, and the scans are the real ones of
``CTLOOP_REALDATA``. `make` is left to `.ci/run`, which a test holds against the README.
"""

from __future__ import annotations

import http.client
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

from pipelines.params import load_section
from pipelines.serve import ServeParams, serve_token
from pipelines.workspace import Workspace
from tests.pipelines.connections import traced, users_shell

SCANS = "/data/export"  # where the scans of the README lie
CASES = "tests/realdata/cases.csv"
TRACE, PAGE = "connections.trace", "answering-page.html"
START_S = 120  # for a server to listen, on a busy machine


def commands(markdown: str) -> list[list[str]]:
    """The words of each command in the ``sh`` blocks, without comments; ``&&`` parts two commands."""
    blocks = re.findall(r"^```sh\n(.*?)^```$", markdown, re.DOTALL | re.MULTILINE)
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    parts = [shlex.split(part, comments=True) for line in lines for part in line.split(" && ")]
    return [words for words in parts if words]


def in_ci(command: list[str], scans: Path) -> list[str]:
    """The command with CI's installation, real scans for the README's, and the table of what they cannot say."""
    program = command[0].replace(".venv/bin", str(Path(sys.executable).parent))
    words = [str(scans) if word == SCANS else word for word in command[1:]]
    return [program, *words, *(("--cases", CASES) if SCANS in command else ())]


def run(command: list[str], trace: Path) -> None:
    """Raises ``CalledProcessError`` when it fails."""
    subprocess.run(traced(command, trace), env=users_shell(), check=True)


def visit(command: list[str], trace: Path, workspace: Workspace) -> str:
    """Start a server, read its page once, and stop it as Ctrl-C does. Raises ``AssertionError`` when it fails."""
    server = subprocess.Popen(traced(command, trace), env=users_shell(), start_new_session=True)
    try:
        page = _page(server, workspace)
    finally:
        if server.poll() is None:
            os.killpg(server.pid, signal.SIGINT)
        code = server.wait(60)
    assert code == 0, f"expected a server that Ctrl-C ends, got exit code {code}"
    return page


def _page(server: subprocess.Popen[bytes], workspace: Workspace) -> str:
    port = load_section(ServeParams, workspace.params, "serve").port
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    _wait_for(server, connection)
    connection.request("GET", "/", headers={"Authorization": f"Bearer {serve_token(workspace)}"})
    reply = connection.getresponse()
    assert reply.status == 200, f"expected the page, got {reply.status} {reply.reason}"
    return reply.read().decode()


def _wait_for(server: subprocess.Popen[bytes], connection: http.client.HTTPConnection) -> None:
    deadline = time.monotonic() + START_S
    while True:
        assert server.poll() is None, f"expected a server, got exit code {server.returncode}"
        try:
            return connection.connect()
        except ConnectionRefusedError:
            assert time.monotonic() < deadline, f"expected an answer within {START_S} s, got none"
            time.sleep(0.2)


def main() -> None:
    workspace, scans = Workspace.at(), Path(os.environ["CTLOOP_REALDATA"])
    workspace.state.mkdir(exist_ok=True)
    for words in commands(Path("README.md").read_text()):
        if words[0] == "make":
            continue
        command = in_ci(words, scans)
        print(f"$ {shlex.join(command)}", flush=True)
        if "serve" in words:
            page = visit(command, workspace.state / TRACE, workspace)
            (workspace.state / PAGE).write_text(page)
        else:
            run(command, workspace.state / TRACE)


if __name__ == "__main__":
    main()
