"""A reader at the viewer, in Debian's Chromium with WebGL in software: planes, cine, curve, strip."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.dashboards.read_workspace import BEAT, CHEST, read_app
from tests.dashboards.test_answering_page_browser import CHROMIUM, QUIET, picture, serving
from tests.dashboards.test_pages_browser import faults, person

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: install Debian's chromium package"),
]
SOFTWARE = (
    *(flag for flag in QUIET if flag != "--disable-gpu"),
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    app, store = read_app(tmp_path_factory.mktemp("viewer"))
    with serving(app) as address:
        yield address
    store.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(SOFTWARE))
        yield browser
        browser.close()


def opened(page: Any, address: str, task: str, case: str, shown: str) -> None:
    page.goto(f"{address}/cases/{task}/{case}/viewer")
    page.locator(f'#viewer[data-shown="{shown}"]').wait_for(timeout=60_000)
    page.get_by_text("Read by ctloop").wait_for(timeout=60_000)


def canvas(page: Any) -> np.ndarray:
    """``(row, column, 3)``: what the screen shows of the stage."""
    shot = page.locator("#canvas").screenshot()
    return np.asarray(Image.open(io.BytesIO(shot)).convert("RGB")).astype(int)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_viewer_can_be_read_by_all(browser: Any, site: str, scheme: str) -> None:
    with person(browser, site, "viewer", color_scheme=scheme) as page:
        opened(page, site, "segmentation", BEAT, "0 prediction")
        page.locator("#curve circle").first.wait_for()
        picture(page, f"{scheme}-viewer-beat")
        assert faults(page) == []
        opened(page, site, "classification", CHEST, "0")
        page.locator("#strip rect").first.wait_for()
        picture(page, f"{scheme}-viewer-chest")
        assert faults(page) == []


def test_a_reader_plays_the_beat_and_jumps_by_the_curve(browser: Any, site: str) -> None:
    with person(browser, site, "viewer") as page:
        opened(page, site, "segmentation", BEAT, "0 prediction")
        first = canvas(page)
        assert first.std() > 10  # not an empty stage
        page.get_by_role("button", name="Play").click()
        page.locator('#viewer[data-shown^="2"]').wait_for(timeout=30_000)
        page.get_by_role("button", name="Pause").click()
        page.get_by_role("button", name="25 %:").focus()
        page.keyboard.press("Enter")
        page.locator('#viewer[data-shown="1 prediction"]').wait_for()
        assert page.locator("#phase").inner_text() == "25 % of the beat"
        assert np.abs(canvas(page) - first).mean() > 0.5  # the ball is smaller
        page.locator("#canvas").focus()
        page.keyboard.press("PageDown")
        page.locator('#viewer[data-shown="2 prediction"]').wait_for()


def test_window_opacity_layer_and_view_change_the_picture(browser: Any, site: str) -> None:
    with person(browser, site, "viewer") as page:
        opened(page, site, "segmentation", BEAT, "0 prediction")
        before = canvas(page)
        for change in (
            lambda: page.locator("#opacity").fill("0"),
            lambda: page.locator("#window").select_option("lung"),
            lambda: page.locator("#view").select_option("axial"),
        ):
            change()
            page.wait_for_timeout(300)
            after = canvas(page)
            assert np.abs(after - before).mean() > 0.3
            before = after
        page.locator("#opacity").fill("1")
        page.locator("#layer").select_option("doubt")
        page.locator('#viewer[data-shown="0 doubt"]').wait_for(timeout=30_000)
        picture(page, "viewer-doubt")
        page.locator("#layer").select_option("")
        page.locator('#viewer[data-shown="0"]').wait_for()


def test_a_bar_opens_its_slices(browser: Any, site: str) -> None:
    with person(browser, site, "viewer") as page:
        opened(page, site, "classification", CHEST, "0")
        page.locator("#finding").select_option("bright_square")
        bar = page.get_by_role("button", name="slices 10 to 12:")
        bar.click()
        page.locator('#viewer[data-level="-470.0"]').wait_for()
        page.locator("#canvas").focus()
        page.keyboard.press("ArrowUp")
        page.locator('#viewer[data-level="-467.0"]').wait_for()


def test_the_picture_can_be_saved(browser: Any, site: str, tmp_path: Path) -> None:
    with person(browser, site, "viewer") as page:
        opened(page, site, "segmentation", BEAT, "0 prediction")
        with page.expect_download() as waiting:
            page.get_by_role("button", name="Save the picture").click()
        waiting.value.save_as(tmp_path / "saved.png")
        assert np.asarray(Image.open(tmp_path / "saved.png")).std() > 5


def test_without_javascript_the_tables_stay(browser: Any, site: str) -> None:
    with person(browser, site, "viewer", java_script_enabled=False) as page:
        page.goto(f"{site}/cases/segmentation/{BEAT}/viewer")
        page.get_by_role("heading", name="What ctloop-segmentation/2 says").wait_for()
        assert page.get_by_text("need JavaScript and WebGL 2").is_visible()
