from __future__ import annotations

import csv
import html
import io
import re
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

from components.accounts.role import Role
from components.adapters.sql_store import SqlStore
from pipelines.workspace import Workspace
from tests.dashboards.desk_server import TestClient, a_client, form_secret, made_app
from tests.dashboards.lived_workspace import BATCH, lived_app
from tests.pipelines.answering_workspace import CHEST_REQUEST, HEART_REQUEST

WINDOW = f"/drift/segmentation/{BATCH}"
PAGES = ("/", "/models", "/models/segmentation/3", "/drift", WINDOW, "/labels", "/requests", "/cases",
         "/cases/segmentation/heart-07", "/jobs", "/audit", "/account", "/accounts")  # fmt: skip


@dataclass
class Verbs:
    """Stands for ``ctloop`` in a process of its own."""

    called: list[list[str]] = field(default_factory=list)
    code: int = 0

    def __call__(self, root: Path, words: Sequence[str]) -> subprocess.CompletedProcess[str]:
        self.called.append(list(words))
        said = "ctloop: expected a challenger that the gate accepted, got refused, try a better model"
        return subprocess.CompletedProcess(
            words, self.code, "champion is version 3", "" if not self.code else said
        )


@dataclass(frozen=True)
class Lived:
    app: FastAPI
    workspace: Workspace
    store: SqlStore
    verbs: Verbs
    chief: TestClient

    def rows(self, page: str, table: str, query: str = "") -> list[dict[str, Any]]:
        data = "/overview" if page == "/" else page
        found = self.chief.get(f"/api/pages{data}?{query}").json()["tables"][table]
        assert found["total"] >= len(found["rows"])
        return list(found["rows"])

    def post(self, path: str, **fields: str) -> Any:
        return self.chief.post(path, data={"form_secret": form_secret(self.chief), **fields})


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lived]:
    verbs = Verbs()
    app, workspace, store = lived_app(tmp_path_factory.mktemp("lived"), run=verbs)
    yield Lived(app, workspace, store, verbs, a_client(app, "admin"))
    store.close()


# --- every page
@pytest.mark.parametrize("path", PAGES)
def test_a_page_its_json_and_its_csv_show_the_same(lived: Lived, path: str) -> None:
    text = lived.chief.get(path).text
    data = re.search(r'This page as <a href="([^"]+)">JSON', text)
    assert data is not None
    tables = lived.chief.get(data[1]).json()["tables"]
    assert tables
    for key, table in tables.items():
        reply = lived.chief.get(f"{data[1].split('?')[0]}/tables/{key}.csv")
        assert reply.headers["content-type"].startswith("text/csv")
        rows = list(csv.DictReader(io.StringIO(reply.text)))
        assert [list(row) for row in rows] == [list(table["columns"])] * len(table["rows"])
        shown = re.findall(r"<caption[^>]*>([^<]*)</caption>", text)
        assert html.escape(table["caption"]).replace("&#x27;", "&#39;") in shown or not table["rows"], key


@pytest.mark.parametrize("path", PAGES)
def test_pages_have_landmarks_names_and_nothing_the_policy_forbids(lived: Lived, path: str) -> None:
    text = lived.chief.get(path).text
    assert len(re.findall(r"<h1", text)) == 1
    assert '<main id="main">' in text
    assert 'aria-label="Pages"' in text
    assert text.count("<table") == text.count("<caption")
    assert not re.search(r"<th(?![^>]*scope)[ >]", text)
    assert not re.search(r"<style|style=|onclick=|<script>|https?://(?!127)", text)
    for field_id in re.findall(r'<(?:input|select)(?![^>]*type="hidden")[^>]*\bid="([^"]+)"', text):
        assert f'for="{field_id}"' in text, field_id


def test_the_menu_names_what_the_role_may_see(lived: Lived) -> None:
    def menu(role: Role) -> list[str]:
        text = a_client(lived.app, role).get("/").text
        return re.findall(r">([^<]+)</a>", text[text.index('aria-label="Pages"') : text.index("</nav>")])

    seen = ["Overview", "Models", "Drift", "Labels", "Requests", "Cases", "Jobs"]
    assert menu("viewer") == seen
    assert menu("admin") == [*seen, "Audit", "Accounts"]


NASTY = (
    "%00",
    "%0a",
    "..",
    "%2e%2e%2fetc",
    "'--",
    "9" * 40,
    "x" * 3000,
    "%F0%9F%AB%80",
    "%",
    "{}",
    "-1",
    "1e9",
)


@pytest.mark.parametrize("nasty", NASTY)
def test_no_address_is_an_error_of_ours(lived: Lived, nasty: str) -> None:
    places = (
        "/{}", "/requests/{}", "/requests/{}/slice/axial/{}.png", "/models/segmentation/{}", "/drift/{}/first",
        "/drift/segmentation/{}", "/cases/segmentation/{}", "/jobs/{}/log", "/reports/gate/segmentation/{}",
        "/reports/monitor/segmentation/{}", "/api/pages/overview/tables/{}.csv", "/invitation/{}",
        "/cases?search={0}&site={0}&offset={0}&limit={0}&task={0}", "/requests?status={0}&task={0}",
        "/drift?task={0}&alarms={0}", "/audit?offset={}", "/api/requests?status={}",
    )  # fmt: skip
    for place in places:
        reply = lived.chief.get(place.format(nasty, nasty))
        assert reply.status_code < 500, place
        assert "Traceback" not in reply.text


# --- overview
def test_the_overview_says_how_the_loop_stands(lived: Lived) -> None:
    models = lived.rows("/", "models")
    assert [(row["champion"], row["challenger"], row["gate"], row["drift"]) for row in models] == [
        (2, 3, "refused", "drift"), (None, None, None, None),
    ]  # fmt: skip
    assert models[0]["since"].startswith("20")
    channels = {row["channel"]: (row["state"], row["p_holm"]) for row in lived.rows("/", "drift")}
    assert channels["metadata"] == ("drift", 0.0025)
    assert channels["outputs"] == ("no drift", 0.75)
    assert [row["frame"] for row in lived.rows("/", "requests")] == [CHEST_REQUEST.frame_id]
    assert lived.rows("/", "budget") == [
        {"task": "segmentation", "open": 0, "open_minutes": 0, "answered": 1, "minutes": 22.5},
        {"task": "classification", "open": 1, "open_minutes": 5.0, "answered": 0, "minutes": 0},
    ]
    assert [(row["job"], row["status"]) for row in lived.rows("/", "errors")] == [
        ("retrain-segmentation", "failed"), ("monitor", "failed"),
    ]  # fmt: skip
    schedule = {row["job"]: row for row in lived.rows("/", "schedule")}
    assert schedule["retrain-segmentation"]["trigger"] == "20 answers"
    assert schedule["verify"]["next"] > "2026"


def test_an_empty_workspace_has_an_overview(tmp_path: Path) -> None:
    app, _, store = made_app(tmp_path)
    viewer = a_client(app, "viewer")
    for path in ("/", "/models", "/drift", "/labels", "/cases", "/jobs"):
        assert viewer.get(path).status_code == 200, path
    assert "No window was judged yet" in viewer.get("/").text
    store.close()


def test_wrong_parameters_are_said_and_the_rest_of_the_page_stays(tmp_path: Path) -> None:
    app, workspace, store = made_app(tmp_path)
    workspace.params.write_text("serve: {port: 8517}\n")
    for path in ("/", "/jobs"):
        reply = a_client(app, "viewer").get(path)
        assert reply.status_code == 200
        assert "The schedule cannot be read: expected a section" in reply.text
    store.close()


# --- models
def test_a_version_tells_where_it_comes_from_and_what_the_gate_said(lived: Lived) -> None:
    rows = lived.rows("/models", "versions")
    assert [(row["version"], row["alias"], row["parent"], row["gate"]) for row in rows] == [
        (3, "challenger", "2", "refused"), (2, "champion", "1", None), (1, "previous", None, None),
    ]  # fmt: skip
    page = "/models/segmentation/3"
    assert [(row["step"], row["what"]) for row in lived.rows(page, "lineage")] == [
        ("labels", "label set"), ("code", "git commit"), ("this version", "version 3"),
        ("champion of its time", "version 2"), ("champion of its time", "version 1"),
    ]  # fmt: skip
    assert [row["holds"] for row in lived.rows(page, "gate")] == [True, True, False]
    assert [row["kind"] for row in lived.rows(page, "history")] == ["gate: refused", "register"]
    assert [row["kind"] for row in lived.rows("/models/segmentation/2", "history")] == [
        "drift: drift", "promote", "register",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "path",
    ["/models/segmentation/9", "/models/x/1", "/drift/segmentation/none", "/cases/segmentation/none",
     "/jobs/999/log", "/reports/gate/segmentation/2", "/reports/dossier/segmentation/3",
     "/reports/gate/segmentation/..", "/reports/monitor/segmentation/..%2f..", "/api/pages/models/x/1"],
)  # fmt: skip
def test_what_is_not_there(lived: Lived, path: str) -> None:
    assert lived.chief.get(path).status_code == 404


def test_reports_of_jobs_are_sealed(lived: Lived) -> None:
    for path, words in (
        ("/reports/gate/segmentation/3", "Refused"),
        (f"/reports/monitor/segmentation/{BATCH}", "report"),
    ):
        reply = lived.chief.get(path)
        assert words in reply.text
        assert "sandbox" in reply.headers["content-security-policy"]
        assert "script-src" not in reply.headers["content-security-policy"]


def test_promoting_needs_a_reason_and_calls_the_verb_in_ones_name(lived: Lived) -> None:
    lived.verbs.called.clear()
    refused = lived.post("/models/segmentation/promote", reason=" ")
    assert (refused.status_code, lived.verbs.called) == (409, [])
    assert lived.post("/models/segmentation/promote", reason="the audit agrees").status_code == 303
    assert lived.post("/models/segmentation/promote", reason="--json", override="1").status_code == 303
    assert lived.post("/models/segmentation/rollback", reason="worse at night").status_code == 303
    assert lived.verbs.called == [
        ["promote", "--task", "segmentation", "--by=chief"],
        ["promote", "--task", "segmentation", "--by=chief", "--override=--json"],
        ["rollback", "--task", "segmentation", "--by=chief", "--reason=worse at night"],
    ]
    lines = [(line.actor, line.action, line.detail) for line in lived.store.audit_log("ctloop-segmentation")]
    assert lines[0] == ("chief", "promote", {"reason": "the audit agrees"})
    assert lines[-1] == ("chief", "rollback", {"reason": "worse at night"})


def test_a_refusal_of_the_gate_is_said(lived: Lived) -> None:
    lived.verbs.code = 1
    try:
        reply = lived.post("/models/segmentation/promote", reason="please")
    finally:
        lived.verbs.code = 0
    assert reply.status_code == 409
    assert "a challenger that the gate accepted" in reply.text


# --- drift
def test_windows_can_be_filtered_and_opened(lived: Lived) -> None:
    assert [row["batch"] for row in lived.rows("/drift", "windows")] == [BATCH, "first"]
    assert [row["batch"] for row in lived.rows("/drift", "windows", "alarms=1")] == [BATCH]
    assert lived.rows("/drift", "windows", "task=classification") == []
    assert lived.rows("/drift", "windows")[0]["channel"] == "metadata"
    assert lived.rows(WINDOW, "strata")[0]["value"] == "north"
    novel = lived.rows(WINDOW, "novel")
    assert [row["novelty"] for row in novel] == sorted((row["novelty"] for row in novel), reverse=True)
    assert novel[0]["frame_id"] == "heart-19__phase-040"
    typical = [row["frame_id"] for row in lived.rows(WINDOW, "typical")]
    assert sorted(typical) == [f"heart-{n:02d}__phase-040" for n in range(7, 13)]  # about the median of 0 to 19
    page = lived.chief.get(WINDOW).text
    assert page.count("/thumbnail.png") == 12


def test_the_timeline_is_a_picture_for_either_paper(lived: Lived) -> None:
    pictures = [lived.chief.get(f"/drift/segmentation/timeline/{paper}.png") for paper in ("light", "dark")]
    assert all(picture.content.startswith(b"\x89PNG") for picture in pictures)
    assert pictures[0].content != pictures[1].content
    assert lived.chief.get("/drift/classification/timeline/light.png").status_code == 404


# --- labels, cases, jobs, audit
def test_labels_count_what_was_asked_and_what_it_took(lived: Lived) -> None:
    assert [(row["task"], row["open"], row["answered"]) for row in lived.rows("/labels", "asked")] == [
        ("classification", 1, 0), ("segmentation", 0, 1),
    ]  # fmt: skip
    readers = lived.rows("/labels", "readers")
    assert [(row["annotator"], row["answers"], row["per_answer"]) for row in readers] == [
        ("reader-1", 1, 22.5)
    ]
    assert lived.rows("/labels", "versions")[0]["added"] == 1


def test_cases_are_searched_filtered_and_paged(lived: Lived) -> None:
    page = lived.chief.get("/api/pages/cases?task=segmentation&limit=10&offset=55").json()["tables"]["cases"]
    assert (page["total"], len(page["rows"])) == (60, 5)
    assert {row["site"] for row in lived.rows("/cases", "cases", "site=north")} == {"north"}
    assert [row["case_id"] for row in lived.rows("/cases", "cases", "search=p-07")] == ["heart-07"]
    assert lived.rows("/cases", "cases", "search=%27%25_%5C(") == []
    assert [row["id"] for row in lived.rows("/cases/segmentation/heart-07", "requests")] == [HEART_REQUEST.id]


def test_jobs_show_runs_with_logs(lived: Lived) -> None:
    runs = lived.rows("/jobs", "runs")
    assert [(run["job"], run["status"], run["exit_code"]) for run in runs] == [
        ("retrain-segmentation", "failed", 1), ("verify", "done", 0),
    ]  # fmt: skip
    log = lived.chief.get(f"/jobs/{runs[0]['id']}/log")
    assert log.text == "retrain-segmentation: failed\n"
    assert lived.rows("/jobs", "verbs")[1]["error"] == "StateError"
    assert lived.post("/jobs/run", job="rm -rf").status_code == 422


def test_the_audit_page_shows_the_log_and_the_ledger(lived: Lived) -> None:
    assert {row["action"] for row in lived.rows("/audit", "audit", "limit=1000")} >= {
        "user_invited",
        "session_begun",
    }
    kinds = [row["kind"] for row in lived.rows("/audit", "ledger")]
    assert kinds[0] == "label_set"
    assert "answer" not in kinds
