from __future__ import annotations

import io
import re
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from components.adapters.nifti_writer import write_nifti_labels
from components.cohort.structures import HEART_LABELS
from components.labeling.request_row import ROW_KEYS
from components.volume.geometry import Geometry
from components.volume.volume import LabelMap
from dashboards.access import COOKIE
from dashboards.pictures import png
from tests.dashboards.desk_server import PASSWORD, TOKEN, TestClient, a_client, form_secret, made_app
from tests.pipelines.answering_workspace import CHEST_REQUEST, HEART_REQUEST, NATIVE, heart_labels

HEART, CHEST = f"/requests/{HEART_REQUEST.id}", f"/requests/{CHEST_REQUEST.id}"
BEARER = {"Authorization": f"Bearer {TOKEN}"}


class Desk:
    def __init__(self, folder: Path, **options: int) -> None:
        self.app, self.workspace, self.store = made_app(folder, **options)
        self.stranger = self.client()
        self.person = a_client(self.app, "annotator")

    def client(self, host: str = "127.0.0.1") -> TestClient:
        return a_client(self.app, host=host)

    def form_secret(self) -> str:
        return form_secret(self.person)

    def send(self, path: str, files: object = None, **fields: str) -> object:
        data = {"form_secret": self.form_secret(), "minutes": "4", **fields}
        return self.person.post(path, data=data, files=files)  # type: ignore[arg-type]

    def status(self, request_id: str) -> str:
        found = self.store.request(request_id)
        assert found is not None
        return found.status


@pytest.fixture
def own_temp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of temporary files, for this test alone: other workers make theirs elsewhere."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    yield desk
    desk.store.close()


def label_file(geometry: Geometry = NATIVE, name: str = "answer.nii.gz") -> dict[str, tuple[str, bytes]]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.nii.gz"
        write_nifti_labels(path, LabelMap(labels=heart_labels(), geometry=geometry, names=HEART_LABELS))
        return {"file": (name, path.read_bytes())}


WRONG_GRID = Geometry(shape=NATIVE.shape, affine=NATIVE.affine * [1, 1, 1.5, 1])


# --- who may come in
@pytest.mark.parametrize(
    "path", ["/", HEART, f"{HEART}/package.zip", f"{HEART}/slice/axial/3.png", "/nothing"]
)
def test_strangers_are_sent_to_the_door(desk: Desk, path: str) -> None:
    reply = desk.stranger.get(path)
    assert (reply.status_code, reply.headers["location"]) == (303, "/login")


@pytest.mark.parametrize("path", ["/api/requests", "/api/openapi.json", f"/api{HEART}"])
def test_programs_need_the_token(desk: Desk, path: str) -> None:
    assert desk.stranger.get(path).status_code == 401
    assert desk.stranger.get(path, headers={"Authorization": "Bearer wrong"}).status_code == 401
    assert desk.stranger.get(path, headers=BEARER).status_code == 200


def test_no_script_reads_the_cookie(desk: Desk) -> None:
    reply = desk.stranger.post("/login", data={"name": "reader-1", "password": PASSWORD})
    cookie = reply.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert "Max-Age=43200" in cookie
    forged = desk.client()
    forged.cookies.set(COOKIE, "0" * 43)
    assert forged.get("/").status_code == 303
    forged.cookies.set(COOKIE, TOKEN)  # a token is no session
    assert forged.get("/").status_code == 303


def test_logging_out(desk: Desk) -> None:
    kept = desk.person.cookies[COOKIE]
    desk.person.post("/logout", data={"form_secret": desk.form_secret()})
    desk.person.cookies.set(COOKIE, kept)  # ended on the server, too
    assert desk.person.get("/").status_code == 303


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", ""])
def test_another_name_for_this_machine_is_refused(desk: Desk, host: str) -> None:
    assert desk.person.get("/", headers={"Host": host}).status_code == 403
    assert desk.person.get("/account", headers={"Host": "localhost:8517"}).status_code == 200
    assert desk.person.get("/account", headers={"Host": "[::1]:8517"}).status_code == 200


def test_other_machines_are_refused(desk: Desk) -> None:
    assert desk.client("192.0.2.7").get("/login").status_code == 403


def test_a_form_from_elsewhere_is_refused(desk: Desk) -> None:
    fields = {"annotator": "reader-1"}
    for path in (f"{HEART}/label-map", f"{CHEST}/findings", f"/api{HEART}/label-map", "/logout"):
        assert desk.person.post(path, data=fields, files=label_file()).status_code == 403
    assert desk.status(HEART_REQUEST.id) == "open"


@pytest.mark.parametrize(
    "headers",
    [{"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Origin": "http://evil.example"}],
)
def test_another_site_cannot_even_log_somebody_in(desk: Desk, headers: dict[str, str]) -> None:
    data = {"name": "reader-1", "password": PASSWORD}
    assert desk.stranger.post("/login", data=data, headers=headers).status_code == 403
    ours = {"Sec-Fetch-Site": "same-origin", "Origin": "http://127.0.0.1:8517"}
    assert desk.stranger.post("/login", data=data, headers=ours).status_code == 303


@pytest.mark.parametrize(
    "path", ["/", "/login", HEART, "/static/style.css", "/requests/none", "/api/requests"]
)
def test_every_reply_carries_the_security_headers(desk: Desk, path: str) -> None:
    headers = desk.person.get(path).headers
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"


def test_pages_hold_nothing_the_policy_forbids(desk: Desk) -> None:
    for path in ("/requests", HEART, CHEST, "/login", "/account"):
        text = desk.person.get(path).text
        assert not re.search(r"<style|style=|onclick=|<script>|https?://(?!127)", text), path


# --- the list
def test_the_list_says_why(desk: Desk) -> None:
    text = desk.person.get("/requests").text
    assert "uncertainty 0.421" in text
    assert "p = 0.0004" in text
    assert HEART_REQUEST.frame_id not in desk.person.get("/requests?task=classification").text
    assert "No answered request" in desk.person.get("/requests?status=answered").text
    assert HEART_REQUEST.frame_id in desk.person.get("/requests?status=").text


def test_the_api_lists_the_same(desk: Desk) -> None:
    rows = desk.stranger.get("/api/requests", headers=BEARER).json()
    assert [tuple(row) for row in rows] == [ROW_KEYS, ROW_KEYS]
    assert desk.stranger.get("/api/requests?status=answered", headers=BEARER).json() == []
    assert desk.stranger.get("/api/requests?status=x", headers=BEARER).status_code == 422
    assert "uncertainty" in desk.stranger.get(f"/api{HEART}", headers=BEARER).json()["why"]


@pytest.mark.parametrize(
    "path", ["/requests/none", "/requests/../../etc/passwd", "/requests/%2e%2e", "/nothing"]
)
def test_what_is_not_there(desk: Desk, path: str) -> None:
    assert desk.person.get(path).status_code == 404
    assert desk.stranger.get("/api/requests/none", headers=BEARER).json()["error"]


# --- looking
@pytest.mark.parametrize("plane", ["axial", "coronal", "sagittal"])
@pytest.mark.parametrize("window", ["soft tissue", "lung", "bone"])
def test_slices_are_pictures(desk: Desk, plane: str, window: str) -> None:
    import matplotlib.image

    reply = desk.person.get(f"{HEART}/slice/{plane}/10.png", params={"window": window})
    assert reply.headers["content-type"] == "image/png"
    picture = matplotlib.image.imread(io.BytesIO(reply.content))
    assert picture.shape[2] == 3
    coloured = (picture.max(axis=2) - picture.min(axis=2)) > 0.2
    assert coloured.any()
    hidden = matplotlib.image.imread(
        io.BytesIO(desk.person.get(f"{HEART}/slice/{plane}/10.png", params={"overlay": 0}).content)
    )
    assert np.array_equal(hidden[..., 0], hidden[..., 2])


def test_png_keeps_every_pixel() -> None:
    import matplotlib.image

    picture = np.random.default_rng(0).integers(0, 256, (7, 5, 3)).astype(np.uint8)
    read = matplotlib.image.imread(io.BytesIO(png(picture)))
    assert np.array_equal(np.rint(read * 255).astype(np.uint8), picture)


@pytest.mark.parametrize(
    ("path", "code"), [("axial/99999.png", 422), ("axial/x.png", 422), ("oblique/1.png", 422)]
)
def test_slices_that_are_not_there(desk: Desk, path: str, code: int) -> None:
    assert desk.person.get(f"{HEART}/slice/{path}").status_code == code
    assert desk.person.get(f"{HEART}/slice/axial/1.png?window=x").status_code == 404


def test_the_page_starts_where_the_labels_are_and_obeys_the_address(desk: Desk) -> None:
    text = desk.person.get(HEART).text
    assert "left ventricle" in text
    assert re.search(r'name="z" type="range" min="0" max="23" value="1\d"', text)
    text = desk.person.get(f"{HEART}?z=3&y=999&x=junk&window=lung").text
    assert "/slice/axial/3.png?window=lung" in text
    assert "/slice/coronal/39.png" in text


def test_a_frame_that_is_gone_is_said_not_thrown(desk: Desk) -> None:
    for file in (desk.workspace.ingested("segmentation") / "volumes").iterdir():
        file.unlink()
    assert desk.person.get(HEART).status_code in (200, 409)
    assert "Traceback" not in desk.person.get(HEART).text


@pytest.mark.parametrize("path", [f"{HEART}/package.zip", f"/api{HEART}/package"])
def test_the_package_is_a_zip_and_nothing_stays_behind(desk: Desk, own_temp: Path, path: str) -> None:
    reply = desk.stranger.get(path, headers=BEARER)
    names = zipfile.ZipFile(io.BytesIO(reply.content)).namelist()
    assert f"{HEART_REQUEST.id}/image.nii.gz" in names
    assert f"{HEART_REQUEST.id}/pre-annotation.nii.gz" in names
    assert list(own_temp.iterdir()) == []


# --- answering
def test_a_wrong_grid_is_refused_with_the_reason(desk: Desk, own_temp: Path) -> None:
    reply = desk.send(f"{HEART}/label-map", label_file(WRONG_GRID))
    assert reply.status_code == 422
    assert "spacing 5×3×4.5 mm, not 5×3×3 mm" in reply.text
    assert desk.status(HEART_REQUEST.id) == "open"
    assert list(own_temp.iterdir()) == []


def test_a_right_answer_is_accepted(desk: Desk) -> None:
    reply = desk.send(f"{HEART}/label-map", label_file())
    assert (reply.status_code, reply.headers["location"]) == (303, f"{HEART}?accepted=1")
    assert desk.status(HEART_REQUEST.id) == "answered"
    text = desk.person.get(reply.headers["location"]).text
    assert "Accepted." in text
    assert "version-of-1-segmentation" in text


@pytest.mark.parametrize("name", ["answer.exe", "answer", "../../x.nii.gz.sh", "a.nrrd"])
def test_other_files_are_refused(desk: Desk, name: str) -> None:
    reply = desk.send(f"{HEART}/label-map", label_file(name=name))
    assert reply.status_code == 422
    assert "Not accepted" in reply.text


def test_missing_fields_are_said(desk: Desk) -> None:
    assert "no file" in desk.send(f"{HEART}/label-map", {"file": ("", b"")}).text
    assert "minutes from 0 to 1440" in desk.send(f"{HEART}/label-map", label_file(), minutes="-3").text


def test_findings_by_form(desk: Desk) -> None:
    refused = desk.send(f"{CHEST}/findings", emphysema="")
    assert "only empty cells" in refused.text
    reply = desk.send(f"{CHEST}/findings", emphysema="1", atelectasis="0")
    assert reply.status_code == 303
    assert desk.status(CHEST_REQUEST.id) == "answered"


def test_a_refused_form_keeps_what_was_typed(desk: Desk) -> None:
    text = desk.send(f"{CHEST}/findings", emphysema="1", minutes="-3").text
    assert re.search(r'name="emphysema" value="1" aria-label="emphysema: present" checked', text)


def test_programs_answer_too(desk: Desk) -> None:
    fields = {"annotator": "reader-1"}
    refused = desk.stranger.post(
        f"/api{HEART}/label-map", headers=BEARER, data=fields, files=label_file(WRONG_GRID)
    )
    assert (refused.status_code, refused.json()["expected"]) == (
        422,
        "a label map on the grid of the frame that was exported",
    )
    taken = desk.stranger.post(f"/api{HEART}/label-map", headers=BEARER, data=fields, files=label_file())
    assert taken.json()["status"] == "answered"
    answer = {"findings": {"emphysema": 1, "atelectasis": None}, "annotator": "reader-1", "minutes": 3}
    assert (
        desk.stranger.post(f"/api{CHEST}/findings", headers=BEARER, json=answer).json()["status"]
        == "answered"
    )


def test_a_reader_answers_in_no_other_name(desk: Desk) -> None:
    fields = {"form_secret": desk.form_secret(), "annotator": "somebody-else"}
    reply = desk.person.post(f"/api{HEART}/label-map", data=fields, files=label_file())
    assert reply.status_code == 403
    fields["annotator"] = "reader-1"
    assert desk.person.post(f"/api{HEART}/label-map", data=fields, files=label_file()).status_code == 200
    answers = [line for line in desk.store.audit_log(HEART_REQUEST.id) if line.action == "answer"]
    assert [line.actor for line in answers] == ["reader-1"]


def test_uploads_are_limited(tmp_path: Path) -> None:
    desk = Desk(tmp_path, most_upload_bytes=50_000)
    secret = desk.form_secret()
    big = {"file": ("a.nii.gz", b"x" * 60_000)}
    data = {"form_secret": secret}
    assert desk.person.post(f"{HEART}/label-map", data=data, files=big).status_code == 413

    def dripping() -> Iterator[bytes]:
        yield b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.nii.gz"\r\n\r\n'
        for _ in range(60):
            yield b"x" * 1000
        yield b"\r\n--b--\r\n"

    kind = {"Content-Type": "multipart/form-data; boundary=b", **BEARER}
    assert desk.stranger.post(f"/api{HEART}/label-map", content=dripping(), headers=kind).status_code == 413
    desk.store.close()
