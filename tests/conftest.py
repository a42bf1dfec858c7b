"""What all tests share."""

from __future__ import annotations

import os
from collections.abc import Generator

import pytest


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Where every program must be present (CI), a skipped test has failed; only a missing GPU is no reason."""
    report = yield
    strict = os.environ.get("CTLOOP_REQUIRE_ALL_TESTS") and item.get_closest_marker("gpu") is None
    if report.skipped and strict and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped where nothing may be skipped: {report.longrepr}"
    return report
