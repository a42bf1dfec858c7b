"""A person at the answering page, in Debian's Chromium."""

from __future__ import annotations

import os
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from components.accounts.role import Role
from components.adapters.nifti_writer import write_nifti_labels
from components.adapters.sql_store import SqlStore
from components.cohort.structures import HEART_LABELS
from components.volume.geometry import Geometry
from components.volume.volume import LabelMap
from tests.dashboards.desk_server import NAMES, PASSWORD, made_app
from tests.pipelines.answering_workspace import CHEST_REQUEST, HEART_REQUEST, NATIVE, heart_labels

CHROMIUM = shutil.which("chromium")
QUIET = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: install Debian's chromium package"),
]


@contextmanager
def serving(app: Any) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.02)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(10)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[tuple[str, SqlStore]]:
    app, _, store = made_app(tmp_path / "workspace")
    with serving(app) as address:
        yield address, store
    store.close()


@pytest.fixture
def page(desk: tuple[str, SqlStore]) -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(QUIET))
        context = browser.new_context(
            viewport={"width": 1280, "height": 900},
            color_scheme="dark" if os.environ.get("CTLOOP_SCREENSHOTS_DARK") else "light",
        )
        page = context.new_page()
        page.set_default_timeout(15_000)
        foreign: list[str] = []
        complaints: list[str] = []
        page.on(
            "request", lambda request: foreign.append(request.url) if desk[0] not in request.url else None
        )
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "console", lambda line: complaints.append(line.text) if "Content Security" in line.text else None
        )
        yield page
        browser.close()
        assert foreign == []
        assert complaints == []


def picture(page: Any, name: str) -> None:
    """Kept only where somebody wants to look: CTLOOP_SCREENSHOTS=FOLDER."""
    if folder := os.environ.get("CTLOOP_SCREENSHOTS"):
        page.screenshot(path=str(Path(folder) / f"{name}.png"), full_page=True)


def log_in(page: Any, address: str, role: Role = "annotator") -> None:
    page.goto(address)
    page.get_by_label("Name").fill(NAMES[role])
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Log in").click()
    page.get_by_text("That is not a name and its password").wait_for()
    picture(page, "1-login")
    page.get_by_label("Name").fill(NAMES[role])
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(lambda url: "/login" not in url)
    page.goto(f"{address}/requests")
    page.get_by_role("heading", name="Labeling requests").wait_for()


def answer_file(folder: Path, name: str, geometry: Geometry) -> Path:
    path = folder / name
    write_nifti_labels(path, LabelMap(labels=heart_labels(), geometry=geometry, names=HEART_LABELS))
    return path


def test_a_radiologist_answers_a_segmentation_request(
    page: Any, desk: tuple[str, SqlStore], tmp_path: Path
) -> None:
    address, store = desk
    log_in(page, address)
    picture(page, "2-requests")
    page.get_by_role("link", name=HEART_REQUEST.frame_id).click()
    page.get_by_text("uncertainty 0.421").wait_for()

    axial = page.locator("img[data-plane=axial]")
    assert axial.evaluate("image => image.complete && image.naturalWidth > 100")
    before = axial.get_attribute("src")
    page.get_by_label("axial", exact=True).press("ArrowRight")
    page.wait_for_function(
        "([one, old]) => document.querySelector(one).getAttribute('src') !== old && "
        "document.querySelector(one).complete",
        arg=["img[data-plane=axial]", before],
    )
    assert page.get_by_label("axial", exact=True).input_value() == str(
        int(before.split("axial/")[1].split(".")[0]) + 1
    )
    page.get_by_label("Window").select_option("lung")
    page.wait_for_function(
        "() => document.querySelector('img[data-plane=sagittal]').src.includes('window=lung')"
    )
    page.get_by_label("Window").select_option("soft tissue")
    page.locator(".picture").nth(1).hover()
    page.mouse.wheel(0, 120)
    page.wait_for_function("() => document.querySelectorAll('.count')[1].textContent !== '21 / 40'")
    picture(page, "3-request")

    wrong = Geometry(shape=NATIVE.shape, affine=NATIVE.affine * [1, 1, 1.5, 1])
    page.get_by_label("Label map").set_input_files(answer_file(tmp_path, "wrong.nii.gz", wrong))
    page.get_by_label("Minutes spent").fill("6.5")
    page.get_by_role("button", name="Send the answer").click()
    refusal = page.get_by_role("alert")
    refusal.wait_for()
    assert "spacing 5×3×4.5 mm, not 5×3×3 mm" in refusal.inner_text()
    picture(page, "4-refused")
    waiting = store.request(HEART_REQUEST.id)
    assert waiting is not None
    assert waiting.status == "open"

    page.get_by_label("Label map").set_input_files(answer_file(tmp_path, "right.nii.gz", NATIVE))
    page.get_by_role("button", name="Send the answer").click()
    page.get_by_role("status").wait_for()
    assert "Accepted" in page.get_by_role("status").inner_text()
    picture(page, "5-accepted")
    answered = store.request(HEART_REQUEST.id)
    assert answered is not None
    assert answered.status == "answered"


def test_a_radiologist_answers_findings_by_keyboard(page: Any, desk: tuple[str, SqlStore]) -> None:
    address, store = desk
    log_in(page, address)
    page.get_by_role("link", name=CHEST_REQUEST.frame_id).focus()
    page.keyboard.press("Enter")
    page.get_by_label("emphysema: present").focus()
    page.keyboard.press("Space")
    page.get_by_label("lung nodule: unsure").focus()
    page.keyboard.press("ArrowLeft")
    assert page.get_by_label("lung nodule: absent").is_checked()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download the package").click()
    assert download.value.suggested_filename == f"{CHEST_REQUEST.id}.zip"
    picture(page, "6-findings")
    page.get_by_label("Minutes spent").focus()
    page.keyboard.press("Enter")
    page.get_by_role("status").wait_for()
    answered = store.request(CHEST_REQUEST.id)
    assert answered is not None
    assert answered.status == "answered"


def test_it_works_without_javascript(desk: tuple[str, SqlStore]) -> None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(QUIET))
        page = browser.new_context(java_script_enabled=False).new_page()
        log_in(page, desk[0])
        page.goto(f"{desk[0]}/requests/{HEART_REQUEST.id}?z=5")
        page.get_by_label("coronal", exact=True).press("Home")
        page.get_by_label("Window").select_option("soft tissue")
        page.get_by_role("button", name="Show").click()
        page.wait_for_url("**window=soft+tissue**")
        assert "/coronal/0.png" in page.locator("img[data-plane=coronal]").get_attribute("src")
        assert "/axial/5.png" in page.locator("img[data-plane=axial]").get_attribute("src")
        browser.close()
