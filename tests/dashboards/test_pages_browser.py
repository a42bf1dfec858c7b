"""People at the pages, in Debian's Chromium: every page, in light and dark, decisions, accounts, the keyboard."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from components.accounts.role import Role
from tests.dashboards.desk_server import NAMES, PASSWORD
from tests.dashboards.lived_workspace import BATCH, lived_app
from tests.dashboards.test_answering_page_browser import CHROMIUM, QUIET, picture, serving
from tests.pipelines.answering_workspace import CHEST_REQUEST

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: install Debian's chromium package"),
]
PAGES = {
    "overview": "/", "models": "/models", "model": "/models/segmentation/3", "drift": "/drift",
    "window": f"/drift/segmentation/{BATCH}", "labels": "/labels", "requests": "/requests", "cases": "/cases",
    "case": "/cases/segmentation/heart-07", "jobs": "/jobs", "audit": "/audit", "account": "/account",
    "accounts": "/accounts",
}  # fmt: skip


def faults(page: Any) -> list[str]:
    """What axe finds wrong that is serious or critical, and a page that is wider than the window."""
    from axe_playwright_python.sync_playwright import Axe

    found = [
        f"{one['impact']}: {one['id']} at {one['nodes'][0]['html'][:100]}"
        for one in Axe().run(page).response["violations"]
        if one["impact"] in ("serious", "critical")
    ]
    wide = page.evaluate("() => document.documentElement.scrollWidth > innerWidth")
    return [*found, "wider than the window"] if wide else found


class Verbs:
    def __init__(self) -> None:
        self.called: list[list[str]] = []

    def __call__(self, root: Path, words: Sequence[str]) -> subprocess.CompletedProcess[str]:
        self.called.append(list(words))
        return subprocess.CompletedProcess(words, 0, "", "")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Verbs]]:
    verbs = Verbs()
    app, _, store = lived_app(tmp_path_factory.mktemp("lived"), run=verbs)
    with serving(app) as address:
        yield address, verbs
    store.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(QUIET))
        yield browser
        browser.close()


@contextmanager
def person(browser: Any, address: str, role: Role, *, refusals: int = 0, **options: Any) -> Iterator[Any]:
    """A page where somebody of this role is logged in; nothing foreign was asked, nothing complained.

    ``refusals``: how many pages will say 409, which Chromium's console repeats.
    """
    context = browser.new_context(viewport={"width": 1280, "height": 900}, **options)
    page = context.new_page()
    page.set_default_timeout(15_000)
    wrong: list[str] = []
    page.on("request", lambda sent: wrong.append(sent.url) if address not in sent.url else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda line: wrong.append(line.text) if line.type == "error" else None)
    page.goto(f"{address}/login")
    page.get_by_label("Name").fill(NAMES[role])
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Overview").wait_for()
    yield page
    context.close()
    refused = [line for line in wrong if "409 (Conflict)" in line]
    assert (len(refused), [line for line in wrong if line not in refused]) == (refusals, [])


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_can_be_read(browser: Any, site: tuple[str, Verbs], scheme: str) -> None:
    with person(browser, site[0], "admin", color_scheme=scheme) as page:
        for name, path in PAGES.items():
            page.goto(f"{site[0]}{path}")
            picture(page, f"{scheme}-{name}")
            assert faults(page) == [], name
        page.goto(f"{site[0]}/requests/{CHEST_REQUEST.id}")
        assert faults(page) == []


def test_an_engineer_promotes_and_rolls_back_by_keyboard(browser: Any, site: tuple[str, Verbs]) -> None:
    address, verbs = site
    with person(browser, address, "engineer") as page:
        page.keyboard.press("Tab")
        assert page.evaluate("() => document.activeElement.textContent") == "Skip to the content"
        page.get_by_role("link", name="Models", exact=True).focus()
        page.keyboard.press("Enter")
        page.get_by_label("Why version 3 becomes champion").focus()
        page.keyboard.type("the audit agrees")
        page.keyboard.press("Tab")
        page.keyboard.press("Space")
        page.keyboard.press("Enter")
        page.wait_for_load_state()
        page.get_by_label("Why version 1 returns for 2").fill("worse at night")
        page.keyboard.press("Enter")
        page.wait_for_load_state()
        page.get_by_role("link", name="3", exact=True).click()
        page.get_by_role("link", name="Gate page").click()
        page.get_by_text("Refused").first.wait_for()
        picture(page, "gate")
    assert verbs.called == [
        ["promote", "--task", "segmentation", "--by=mlops-1", "--override=the audit agrees"],
        ["rollback", "--task", "segmentation", "--by=mlops-1", "--reason=worse at night"],
    ]


def test_a_viewer_looks_at_a_drifted_window_and_finds_a_case(browser: Any, site: tuple[str, Verbs]) -> None:
    with person(browser, site[0], "viewer", java_script_enabled=False) as page:
        page.get_by_role("link", name="drift", exact=True).first.click()
        page.get_by_role("heading", name=f"{BATCH}: drift").wait_for()
        page.get_by_role("link", name="heart-19__phase-040", exact=True).click()
        page.get_by_role("heading", name="Case heart-19").wait_for()
        page.get_by_role("link", name="Cases", exact=True).click()
        page.get_by_label("Site").select_option("north")
        page.get_by_role("button", name="Find").click()
        page.get_by_role("link", name="heart-05").wait_for()
        assert page.get_by_role("link", name="heart-07").count() == 0
        page.get_by_role("link", name="Models", exact=True).click()
        assert page.get_by_role("button", name="Promote").count() == 0


def test_an_admin_invites_a_reader_who_comes_in(browser: Any, site: tuple[str, Verbs]) -> None:
    with person(browser, site[0], "admin") as page:
        page.get_by_role("link", name="Accounts", exact=True).click()
        page.get_by_label("Name", exact=True).fill("reader-9")
        page.get_by_label("Role", exact=True).select_option("annotator")
        page.get_by_role("button", name="Make the link").click()
        link = page.locator(".secret").inner_text()
        picture(page, "invited")
    guest = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
    guest.goto(link)
    picture(guest, "invitation")
    guest.get_by_label("Password").fill("four other words together")
    guest.keyboard.press("Enter")
    guest.get_by_role("heading", name="Overview").wait_for()
    assert guest.get_by_role("link", name="reader-9").count() == 1
    guest.context.close()
