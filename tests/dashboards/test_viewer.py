"""The viewer's page and files."""

from __future__ import annotations

import gzip
import json
import re
import time
from collections.abc import Iterator
from dataclasses import replace

import nibabel
import pytest
from fastapi import FastAPI

from components.adapters.sql_store import SqlStore
from tests.dashboards.desk_server import TestClient, a_client
from tests.dashboards.read_workspace import BEAT, CHEST, PHASES, read_app
from tests.pipelines.answering_workspace import HEART_REQUEST

FRAME = f"{BEAT}__phase-025"
API = f"/api/cases/segmentation/{BEAT}"


@pytest.fixture(scope="module")
def app_and_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[FastAPI, SqlStore]]:
    app, store = read_app(tmp_path_factory.mktemp("viewer"))
    yield app, store
    store.close()


@pytest.fixture(scope="module")
def client(app_and_store: tuple[FastAPI, SqlStore]) -> TestClient:
    client = a_client(app_and_store[0], "viewer")
    until = time.monotonic() + 60
    while not client.get(f"{API}/reading").json()["done"]:
        assert time.monotonic() < until
        time.sleep(0.02)
    return client


def test_the_page_names_its_frames_in_the_order_of_the_beat(client: TestClient) -> None:
    page = client.get(f"/cases/segmentation/{BEAT}/viewer")
    found = re.search(r'<script type="application/json" id="frames">(.*?)</script>', page.text)
    assert found is not None
    assert [frame["phase"] for frame in json.loads(found[1])["frames"]] == list(PHASES)
    assert "ctloop-segmentation/2 says" in page.text
    assert client.get(f"/cases/segmentation/{BEAT}").text.count(f"/cases/segmentation/{BEAT}/viewer") == 1


def test_only_its_page_may_show_pictures_from_its_own_text(client: TestClient) -> None:
    name = "content-security-policy"
    viewer, case = (client.get(f"/cases/segmentation/{BEAT}{end}").headers[name] for end in ("/viewer", ""))
    assert viewer == case.replace("img-src 'self'", "img-src 'self' data: blob:")
    assert "unsafe" not in viewer


def test_json_says_what_the_model_says(client: TestClient) -> None:
    said = client.get(f"/api/pages/cases/segmentation/{BEAT}/viewer").json()["tables"]["said"]["rows"]
    assert [row["state"] for row in said] == ["read"] * 4
    assert said[0]["outputs"].startswith("left_ventricle 1")
    reading = client.get(f"{API}/reading").json()
    assert reading["frames"][FRAME]["uncertainty"] == 0.125
    assert reading["model"] == "ctloop-segmentation/2"


@pytest.mark.parametrize("name", ["scan", "prediction", "doubt"])
def test_files_are_nifti(client: TestClient, name: str) -> None:
    reply = client.get(f"{API}/frames/{FRAME}/{name}.nii.gz")
    assert reply.status_code == 200
    assert nibabel.Nifti1Image.from_bytes(gzip.decompress(reply.content)).shape == (40, 40, 40)
    assert "private" in reply.headers["cache-control"]


def test_thumbnails_are_pictures(client: TestClient) -> None:
    reply = client.get(f"/cases/segmentation/{BEAT}/frames/{FRAME}/thumbnail.png")
    assert reply.content.startswith(b"\x89PNG")


@pytest.mark.parametrize(
    "path",
    [
        "/cases/segmentation/nobody/viewer",
        "/api/cases/segmentation/nobody/reading",
        f"{API}/frames/{CHEST}/scan.nii.gz",
        f"{API}/frames/..%2F..%2Fserve/scan.nii.gz",
        f"{API}/frames/{CHEST}/prediction.nii.gz",
        f"/cases/segmentation/{BEAT}/frames/{CHEST}/thumbnail.png",
    ],
)
def test_what_is_not_there_is_not_found(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 404


def test_an_unknown_layer_is_refused(client: TestClient) -> None:
    assert client.get(f"{API}/frames/{FRAME}/secrets.nii.gz").status_code == 422


def test_a_scan_whose_file_is_lost_says_so(client: TestClient) -> None:
    reply = client.get("/api/cases/segmentation/heart-45/frames/heart-45__phase-040/scan.nii.gz")
    assert reply.status_code == 422
    assert "dvc checkout" in reply.json()["error"]


def test_an_audit_request_is_answered_without_the_model_s_help(
    app_and_store: tuple[FastAPI, SqlStore], client: TestClient
) -> None:
    request = replace(
        HEART_REQUEST, reason="audit", case_id=BEAT, frame_id=f"{BEAT}__phase-050", patient_id=f"p-{BEAT}"
    )
    store = app_and_store[1]
    store.open_request(request)
    reading = client.get(f"{API}/reading").json()
    assert not reading["frames"]
    assert "audit request" in reading["problem"]
    assert "left_ventricle" not in client.get(f"/cases/segmentation/{BEAT}/viewer").text
    for layer in ("prediction", "doubt"):
        assert client.get(f"{API}/frames/{FRAME}/{layer}.nii.gz").status_code == 404
    assert client.get(f"{API}/frames/{FRAME}/scan.nii.gz").status_code == 200
    store.mark_answered(request.id, label_sha256="e" * 64, annotator="reader-1", minutes=None)
    assert client.get(f"{API}/reading").json()["frames"]
