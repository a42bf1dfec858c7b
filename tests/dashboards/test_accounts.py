from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from components.accounts.role import Role
from dashboards.access import COOKIE
from tests.dashboards.desk_server import PASSWORD, TOKEN, TestClient, a_client, form_secret, made_app


class House:
    """The application, and people at it."""

    def __init__(self, folder: Path) -> None:
        self.app, _, self.store = made_app(folder)
        self.chief = a_client(self.app, "admin")

    def send(self, client: TestClient, path: str, **fields: str) -> object:
        return client.post(path, data={"form_secret": form_secret(client), **fields})

    def invite(self, name: str, role: Role) -> str:
        text = self.send(self.chief, "/accounts", name=name, role=role).text  # type: ignore[attr-defined]
        found = re.search(r"http://127\.0\.0\.1:8517(/invitation/[\w-]+)", text)
        assert found is not None
        return found[1]


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path)
    yield house
    house.store.close()


def actions(house: House, subject: str) -> list[tuple[str, str]]:
    return [(line.actor, line.action) for line in house.store.audit_log(subject)]


def test_an_invited_reader_sets_a_password_once_and_comes_in(house: House) -> None:
    link = house.invite("reader-7", "annotator")
    guest = a_client(house.app)
    assert "annotator" in guest.get(link).text
    assert guest.post(link, data={"password": "short"}).status_code == 422
    reply = guest.post(link, data={"password": PASSWORD})
    assert (reply.status_code, reply.headers["location"]) == (303, "/")
    assert "reader-7" in guest.get("/account").text
    assert a_client(house.app).get(link).status_code == 409
    assert a_client(house.app).post(link, data={"password": PASSWORD}).status_code == 409
    assert actions(house, "reader-7") == [
        ("chief", "user_invited"), ("chief", "invitation_begun"), ("reader-7", "password_set"),
        ("reader-7", "session_begun"),
    ]  # fmt: skip


def test_roles_change_and_access_ends_at_once(house: House) -> None:
    reader = a_client(house.app, "annotator")
    house.send(house.chief, "/accounts/reader-1/role", role="admin")
    assert reader.get("/accounts").status_code == 200
    house.send(house.chief, "/accounts/reader-1/disable")
    assert reader.get("/accounts").headers["location"] == "/login"
    assert a_client(house.app, "annotator").get("/account").status_code == 303


def test_the_last_admin_cannot_lock_everybody_out(house: House) -> None:
    for path, fields in (("/accounts/chief/disable", {}), ("/accounts/chief/role", {"role": "viewer"})):
        reply = house.send(house.chief, path, **fields)
        assert reply.status_code == 409  # type: ignore[attr-defined]
    assert house.chief.get("/accounts").status_code == 200


@pytest.mark.parametrize(("name", "role"), [("Dr. Who", "viewer"), ("", "viewer"), ("x", "root")])
def test_an_invitation_that_makes_no_sense(house: House, name: str, role: str) -> None:
    reply = house.send(house.chief, "/accounts", name=name, role=role)
    assert reply.status_code == 422  # type: ignore[attr-defined]
    assert 'role="alert"' in reply.text  # type: ignore[attr-defined]


def test_a_token_opens_the_api_for_a_program_until_it_is_revoked(house: House) -> None:
    engineer, program = a_client(house.app, "engineer"), a_client(house.app)
    text = house.send(engineer, "/account/tokens", label="OHIF at desk 3", role="viewer").text  # type: ignore[attr-defined]
    found = re.search(r'class="secret">([\w-]+)<', text)
    assert found is not None
    bearer = {"Authorization": f"Bearer {found[1]}"}
    assert program.get("/api/requests", headers=bearer).status_code == 200
    answer = {"findings": {"emphysema": 1}}
    request = program.get("/api/requests?task=classification", headers=bearer).json()[0]["id"]
    # its role is the token's, not the user's
    assert program.post(f"/api/requests/{request}/findings", headers=bearer, json=answer).status_code == 403
    # a token makes no tokens, and is no cookie
    assert (
        program.post("/account/tokens", headers=bearer, data={"label": "x", "role": "viewer"}).status_code
        == 403
    )
    program.cookies.set(COOKIE, found[1])
    assert program.get("/requests").status_code == 303

    listed = engineer.get("/api/pages/account").json()["tables"]["tokens"]["rows"]
    assert [row["label"] for row in listed] == ["OHIF at desk 3"]
    house.send(engineer, f"/account/tokens/{listed[0]['id']}/revoke")
    assert program.get("/api/requests", headers=bearer).status_code == 401
    assert ("mlops-1", "token_ended") in actions(house, "mlops-1")


def test_nobody_gets_a_token_above_the_own_role(house: House) -> None:
    viewer = a_client(house.app, "viewer")
    text = house.send(viewer, "/account/tokens", label="x", role="admin").text  # type: ignore[attr-defined]
    found = re.search(r'class="secret">([\w-]+)<', text)
    assert found is not None
    bearer = {"Authorization": f"Bearer {found[1]}"}
    assert a_client(house.app).get("/accounts", headers=bearer).status_code == 403


def test_the_login_is_limited_by_name(house: House) -> None:
    guest = a_client(house.app)
    wrong = {"name": "reader-1", "password": "wrong"}
    codes = [guest.post("/login", data=wrong).status_code for _ in range(11)]
    assert codes == [403] * 10 + [429]
    assert guest.post("/login", data={**wrong, "password": PASSWORD}).status_code == 429
    assert guest.post("/login", data={"name": "chief", "password": PASSWORD}).status_code == 303
    assert actions(house, "reader-1").count(("reader-1", "login_refused")) == 10


def test_people_as_csv(house: House) -> None:
    rows = list(csv.DictReader(io.StringIO(house.chief.get("/api/pages/accounts/tables/users.csv").text)))
    assert {row["name"]: row["role"] for row in rows} == {
        "chief": "admin", "mlops-1": "engineer", "onlooker": "viewer", "reader-1": "annotator",
    }  # fmt: skip
    assert "argon2" not in house.chief.get("/api/pages/accounts").text
    assert house.chief.get("/api/pages/accounts/tables/none.csv").status_code == 404


def test_the_workspace_token_has_no_tokens(house: House) -> None:
    reply = a_client(house.app).get("/api/pages/account", headers={"Authorization": f"Bearer {TOKEN}"})
    assert reply.json()["tables"]["tokens"]["rows"] == []


NEW = "four other words instead"


def test_whoever_changes_the_password_stays_and_every_other_session_ends(house: House) -> None:
    here, elsewhere, other = (a_client(house.app, role) for role in ("annotator", "annotator", "viewer"))
    before = here.cookies[COOKIE]
    reply = house.send(here, "/account/password", old=PASSWORD, new=NEW)
    assert (reply.status_code, reply.headers["location"]) == (303, "/account?changed=1")  # type: ignore[attr-defined]
    assert "Your password is changed" in here.get("/account?changed=1").text
    assert here.cookies[COOKIE] != before
    assert elsewhere.get("/account").headers["location"] == "/login"
    assert other.get("/account").status_code == 200
    guest = a_client(house.app)
    assert guest.post("/login", data={"name": "reader-1", "password": PASSWORD}).status_code == 403
    assert guest.post("/login", data={"name": "reader-1", "password": NEW}).status_code == 303
    assert ("reader-1", "password_changed") in actions(house, "reader-1")
    assert NEW not in str(house.store.audit_log("reader-1"))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [("wrong", NEW, "your password as it is now"), (PASSWORD, "short", "12 to 1024"),
     (PASSWORD, PASSWORD, "a new password"), (PASSWORD, "x" * 2000, "12 to 1024"), ("", "", "your password")],
)  # fmt: skip
def test_a_password_that_is_not_changed(house: House, old: str, new: str, said: str) -> None:
    reader = a_client(house.app, "annotator")
    reply = house.send(reader, "/account/password", old=old, new=new)
    assert (reply.status_code, said in reply.text) == (422, True)  # type: ignore[attr-defined]
    assert reader.get("/account").status_code == 200
    assert a_client(house.app, "annotator").get("/account").status_code == 200


def test_nobody_guesses_the_password_at_a_desk_that_was_left_open(house: House) -> None:
    reader = a_client(house.app, "annotator")
    replies = [house.send(reader, "/account/password", old="wrong", new=NEW) for _ in range(11)]
    assert [reply.status_code for reply in replies] == [422] * 10 + [429]  # type: ignore[attr-defined]
    assert house.send(reader, "/account/password", old=PASSWORD, new=NEW).status_code == 429  # type: ignore[attr-defined]
    assert actions(house, "reader-1").count(("reader-1", "password_change_refused")) == 10


def test_a_program_changes_no_password(house: House) -> None:
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    reply = a_client(house.app).post("/account/password", headers=bearer, data={"old": PASSWORD, "new": NEW})
    assert reply.status_code == 403
