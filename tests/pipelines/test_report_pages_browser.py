"""The pages that gate and monitor write, in Debian's Chromium: axe in light and dark, on a desk and on a phone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipelines.gate_page import write_gate_page
from pipelines.monitor import report_folder
from pipelines.workspace import Workspace
from tests.dashboards.test_answering_page_browser import CHROMIUM, QUIET, picture
from tests.dashboards.test_pages_browser import faults
from tests.pipelines.test_gate_page import verdict
from tests.pipelines.test_monitor import watch, workspace

__all__ = ["workspace"]  # the fixture

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: install Debian's chromium package"),
]


@pytest.fixture(scope="module")
def reports(workspace: Workspace, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    watch(workspace, "two")
    monitored = report_folder(workspace, "classification", "two") / "index.html"
    judged = write_gate_page(tmp_path_factory.mktemp("gate"), verdict(), "segmentation")
    return {"gate": judged, "monitor": monitored}


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(QUIET))
        yield browser
        browser.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 420])
@pytest.mark.parametrize("name", ["gate", "monitor"])
def test_a_report_can_be_read(
    browser: Any, reports: dict[str, Path], name: str, width: int, scheme: str
) -> None:
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    page.goto(reports[name].as_uri())
    for details in page.locator("summary").all():
        details.click()
    picture(page, f"report-{name}-{width}-{scheme}")
    found = faults(page)
    context.close()
    assert found == []
