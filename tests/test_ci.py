"""CI on a bare Debian: the database is made without a question asked, and every program is installed."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

CI = Path(__file__).parents[1] / ".ci"
PROGRAMS = {
    "pg_isready": "exit 0",
    "su": 'exec sh -c "$3"',
    # a server that trusts TCP or wants a password there; over the socket it knows the system's user postgres
    "psql": """
case " $* " in *" -w"*) ;; *) echo "psql may ask" >> "$LOG" ;; esac
case " $* " in *" -h "*) [ -n "$TRUST" ] || { echo "fe_sendauth: no password supplied" >&2; exit 2; } ;; esac
case " $* " in *" -c "*) ;; *) cat >> "$LOG" ;; esac
""",
}


def run_postgres(folder: Path, *, trust: bool) -> tuple[str, str]:
    """The URL that ``.ci/postgres`` prints on a pretended server, and the SQL that it sent."""
    for name, body in PROGRAMS.items():
        (folder / name).write_text(f"#!/bin/sh\n{body}\n")
        (folder / name).chmod(0o755)
    path = os.pathsep.join((str(folder), os.environ["PATH"]))
    environment = {**os.environ, "PATH": path, "LOG": str(folder / "log"), "TRUST": "1" if trust else ""}
    environment.pop("PGPORT", None)
    done = subprocess.run(
        (CI / "postgres",),
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip(), (folder / "log").read_text()


def test_a_server_that_trusts_needs_no_role(tmp_path: Path) -> None:
    url, sql = run_postgres(tmp_path, trust=True)
    assert url == "postgresql+psycopg://postgres@127.0.0.1:5432/ctloop_test"
    assert "may ask" not in sql
    assert "ROLE" not in sql


def test_debians_server_gets_a_role_with_a_password(tmp_path: Path) -> None:
    url, sql = run_postgres(tmp_path, trust=False)
    found = re.fullmatch(r"postgresql\+psycopg://ctloop_ci:([0-9a-f]{32})@127.0.0.1:5432/ctloop_test", url)
    assert found is not None
    assert f"ALTER ROLE ctloop_ci LOGIN PASSWORD '{found.group(1)}'" in sql
    assert "may ask" not in sql


@pytest.mark.parametrize("package", ["chromium", "strace", "iproute2", "postgresql"])
def test_what_a_test_needs_is_installed(package: str) -> None:
    assert f"missing+=({package})" in (CI / "run").read_text()
