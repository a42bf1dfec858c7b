"""In CI a skipped test has failed, but for the two things that no program can give."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.pipelines.connections import NO_NAMESPACES

ROOT = Path(__file__).parents[1]
SKIPS = f"""
import pytest
def test_program(): pytest.skip("strace is not installed")
def test_namespace(): pytest.skip({NO_NAMESPACES!r})
def test_more_than_namespace(): pytest.skip("strace is not installed; " + {NO_NAMESPACES!r})
@pytest.mark.gpu
def test_gpu(): pytest.skip("no GPU")
@pytest.mark.xfail
def test_expected(): assert False
"""


def test_only_a_gpu_and_forbidden_namespaces_are_excused(tmp_path: Path) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = gpu\n")
    (tmp_path / "test_skips.py").write_text(SKIPS)
    done = subprocess.run(
        (sys.executable, "-m", "pytest", "-q", "-p", "tests.conftest", "-p", "no:cacheprovider", str(tmp_path)),
        cwd=ROOT, env={**os.environ, "CTLOOP_REQUIRE_ALL_TESTS": "1"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout.splitlines()[-1].startswith("2 failed, 2 skipped, 1 xfailed")
    assert {"test_program", "test_more_than_namespace"} == {
        line.split("::")[1].split()[0] for line in done.stdout.splitlines() if line.startswith("FAILED")
    }
