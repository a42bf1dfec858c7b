"""What all tests share."""

from __future__ import annotations

import os
import sys
from collections.abc import Generator
from typing import Any

import pytest

from tests.pipelines.connections import NO_NAMESPACES


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Where every program must be present (CI), a skipped test has failed.

    What no program can give is excused: a GPU, and namespaces that a container forbids while strace works.
    """
    report = yield
    strict = os.environ.get("CTLOOP_REQUIRE_ALL_TESTS") and item.get_closest_marker("gpu") is None
    excused = hasattr(report, "wasxfail") or _reason(report) == NO_NAMESPACES
    if report.skipped and strict and not excused:
        report.outcome = "failed"
        report.longrepr = f"skipped where nothing may be skipped: {report.longrepr}"
    return report


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object | None) -> None:
    """Say how a worker of pytest-xdist died: a native crash and a kill look the same without its exit code."""
    if error is not None:
        process = node.gateway._io.popen
        sys.stderr.write(f"\n{node.gateway.id} ended with {process.wait(30)} (negative: the signal)\n")


def _reason(report: pytest.TestReport) -> str:
    """Why the test was skipped, in the words given to ``pytest.skip``; empty if it was not."""
    return report.longrepr[2].removeprefix("Skipped: ") if isinstance(report.longrepr, tuple) else ""
