"""People decide about models by clicking, on a real registry, with the verbs that really move its aliases."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from components.adapters.mlflow_registry import MlflowRegistry
from pipelines.workspace import Workspace
from tests.dashboards.lived_workspace import BATCH, NAME, lived_app
from tests.dashboards.test_answering_page_browser import CHROMIUM, QUIET, picture, serving
from tests.dashboards.test_pages_browser import person

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: install Debian's chromium package"),
]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, MlflowRegistry]]:
    folder: Path = tmp_path_factory.mktemp("lived")
    workspace = Workspace(root=folder, state=folder / ".ctloop")
    workspace.state.mkdir()
    registry = MlflowRegistry(uri=workspace.mlflow_uri, artifacts=workspace.mlflow_artifacts)
    app, _, store = lived_app(folder, registry=registry)
    with serving(app) as address:
        yield address, registry
    store.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(QUIET))
        yield browser
        browser.close()


def champion(registry: MlflowRegistry) -> int:
    found = registry.by_alias(NAME, "champion")
    assert found is not None
    return found.version


def test_a_challenger_is_promoted_and_rolled_back_and_the_ledger_says_who_and_why(
    browser: Any, site: tuple[str, MlflowRegistry]
) -> None:
    address, registry = site
    assert champion(registry) == 2
    with person(browser, address, "engineer", refusals=1) as page:
        page.set_default_timeout(60_000)  # a verb is a process of its own
        page.get_by_role("link", name="Models", exact=True).click()
        page.get_by_label("Why version 3 becomes champion").fill("the new scanner matters more")
        page.get_by_role("button", name="Promote version 3").click()
        page.get_by_label("although the gate did not accept it").wait_for()
        page.get_by_text("expected a challenger that the gate accepted").wait_for()
        assert champion(registry) == 2  # the gate refused it, and no reason was said to overrule that
        page.get_by_label("Why version 3 becomes champion").fill("the new scanner matters more")
        page.get_by_label("although the gate did not accept it").check()
        page.get_by_role("button", name="Promote version 3").click()
        page.get_by_role("button", name="Roll back to version 2").wait_for()
        assert champion(registry) == 3
        picture(page, "promoted")
        page.get_by_label("Why version 2 returns for 3").fill("it draws too much at night")
        page.get_by_role("button", name="Roll back to version 2").click()
        page.get_by_role("button", name="Roll back to version 2").wait_for(state="detached")
        assert champion(registry) == 2
    with person(browser, address, "admin") as page:
        page.get_by_role("link", name="Audit", exact=True).click()
        ledger = page.locator("#table-ledger tbody tr")
        rollback = ledger.filter(has_text="it draws too much at night").filter(has_text="rollback")
        assert "mlops-1" in rollback.first.inner_text()
        promotion = ledger.filter(has_text="override: the new scanner matters more").filter(
            has_text="promote"
        )
        assert "mlops-1" in promotion.first.inner_text()
        picture(page, "audit")


def test_a_drifted_window_is_opened_below_its_timeline(
    browser: Any, site: tuple[str, MlflowRegistry]
) -> None:
    with person(browser, site[0], "viewer") as page:
        page.get_by_role("link", name="Drift", exact=True).click()
        timeline = page.get_by_alt_text("Holm-adjusted p-values of segmentation")
        timeline.evaluate("image => image.decode()")  # fails for a picture that is none
        page.get_by_role("link", name="alarms", exact=True).click()
        page.get_by_role("link", name=BATCH).click()
        page.get_by_role("heading", name=f"{BATCH}: drift").wait_for()
        page.get_by_text("metadata and image differ from the reference", exact=False).first.wait_for()


def test_cases_are_filtered_in_place_and_the_address_follows(
    browser: Any, site: tuple[str, MlflowRegistry]
) -> None:
    with person(browser, site[0], "viewer") as page:
        page.get_by_role("link", name="Cases", exact=True).click()
        page.evaluate("() => { window.stayed = true; }")
        page.get_by_label("Site").select_option("north")
        page.get_by_text("12 found").wait_for()
        assert page.get_by_role("link", name="heart-07").count() == 0
        page.get_by_label("Pseudonym").press_sequentially("p-05")
        page.get_by_text("1 found").wait_for()
        assert page.evaluate("() => window.stayed") is True
        assert "site=north" in page.url
        assert "search=p-05" in page.url
        page.reload()
        page.get_by_text("1 found").wait_for()


def test_the_overview_refreshes_itself_while_it_is_seen(
    browser: Any, site: tuple[str, MlflowRegistry]
) -> None:
    with person(browser, site[0], "viewer") as page:
        page.evaluate("() => { document.querySelector('#table-models h2').textContent = 'old'; }")
        with page.expect_response(lambda reply: reply.request.headers.get("hx-request") == "true"):
            page.evaluate("() => document.body.dispatchEvent(new Event('refresh'))")
        page.locator("#table-models h2", has_text="Models in use").wait_for()
