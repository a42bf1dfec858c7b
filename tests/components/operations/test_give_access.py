from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from components.adapters.argon2_passwords import Argon2Passwords
from components.adapters.sql_store import SqlStore, open_store
from components.errors import BusyError, InputError, ParameterError, StateError
from components.operations.access_rules import AccessRules
from components.operations.give_access import Access

QUICK = Argon2Passwords(memory_kib=32, passes=1)
PASSWORD = "four words put together"


@dataclass
class Watch:
    """A clock that a test turns."""

    at: datetime = field(default_factory=lambda: datetime.now(UTC))

    def __call__(self) -> datetime:
        return self.at


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqlStore]:
    store = open_store(f"sqlite:///{tmp_path / 'ctloop.db'}")
    yield store
    store.close()


@pytest.fixture
def access(store: SqlStore, watch: Watch) -> Access:
    rules = AccessRules(attempts_per_user=3, attempts_per_address=6)
    return Access(store=store.accounts, passwords=QUICK, rules=rules, now=watch)


@pytest.fixture
def admin(access: Access) -> str:
    """A session of the first admin."""
    link = access.first_admin()
    assert link is not None
    return access.take_up(link, PASSWORD)


def log_in(access: Access, name: str = "admin", password: str = PASSWORD, address: str = "::1") -> str:
    return access.log_in(name, password, address=address)


def test_the_first_admin_comes_by_a_link_that_works_once(access: Access) -> None:
    older = access.first_admin()
    link = access.first_admin()
    assert older is not None
    assert link is not None
    with pytest.raises(StateError, match="invitation"):  # a newer link replaces an older one
        access.take_up(older, PASSWORD)
    with pytest.raises(ParameterError, match="12 to 1024"):
        access.take_up(link, "too short")
    session = access.take_up(link, PASSWORD)
    found = access.recognise(session)
    assert found is not None
    assert (found[1].name, found[1].role) == ("admin", "admin")
    assert access.first_admin() is None
    with pytest.raises(StateError, match="invitation"):
        access.take_up(link, PASSWORD)


def test_an_invitation_is_no_session_and_expires(access: Access, watch: Watch) -> None:
    link = access.invite("reader-1", "annotator", by="admin")
    assert access.recognise(link) is None
    watch.at += timedelta(hours=24)
    with pytest.raises(StateError, match="invitation"):
        access.take_up(link, PASSWORD)


def test_sessions_expire_and_tokens_do_later(access: Access, watch: Watch, admin: str) -> None:
    token = access.issue_token("admin", label="OHIF", role="annotator", by="admin")
    watch.at += timedelta(hours=12)
    assert access.recognise(admin) is None
    found = access.recognise(token)
    assert found is not None
    assert found[0].role == "annotator"
    watch.at += timedelta(days=90)
    assert access.recognise(token) is None
    assert access.recognise("") is None


def test_a_new_password_ends_what_the_old_one_began(access: Access, admin: str) -> None:
    access.take_up(access.invite("admin", "admin", by="admin"), PASSWORD + " again")
    assert access.recognise(admin) is None
    with pytest.raises(InputError, match="a name and its password"):
        log_in(access)
    assert access.recognise(log_in(access, password=PASSWORD + " again"))


@pytest.mark.usefixtures("admin")
@pytest.mark.parametrize("name", ["admin", "nobody", "a\x00", "x" * 4000])
def test_a_wrong_login_does_not_say_what_is_wrong(access: Access, store: SqlStore, name: str) -> None:
    with pytest.raises(InputError) as refused:
        log_in(access, name, "wrong")
    assert str(refused.value) == "expected a name and its password, got others, try again, or ask an admin"
    assert store.audit_log()[-1].action == "login_refused"


@pytest.mark.usefixtures("admin")
def test_after_too_many_attempts_even_the_right_password_waits(access: Access, watch: Watch) -> None:
    for _ in range(3):
        with pytest.raises(InputError):
            log_in(access, password="wrong")
    with pytest.raises(BusyError, match="15 minutes"):
        log_in(access)
    watch.at += timedelta(minutes=16)
    for _ in range(8):  # right ones do not count
        assert log_in(access)


@pytest.mark.usefixtures("admin")
def test_an_address_that_tries_many_names_waits_too(access: Access) -> None:
    for number in range(6):
        with pytest.raises(InputError):
            log_in(access, f"guess-{number}", "wrong", address="192.0.2.7")
    with pytest.raises(BusyError):
        log_in(access, address="192.0.2.7")
    assert log_in(access, address="192.0.2.8")


def test_who_is_disabled_is_out_at_once(access: Access, admin: str) -> None:
    session = access.take_up(access.invite("reader-1", "annotator", by="admin"), PASSWORD)
    access.change_role("reader-1", "viewer", by="admin")
    found = access.recognise(session)
    assert found is not None
    assert found[1].role == "viewer"
    access.disable("reader-1", by="admin")
    assert access.recognise(session) is None
    with pytest.raises(InputError):
        log_in(access, "reader-1")
    with pytest.raises(StateError, match="the name of a user"):
        access.disable("nobody", by="admin")


@pytest.mark.parametrize("label", ["", " ", "x" * 101, "a\nb"])
def test_a_token_says_what_it_is_for(access: Access, admin: str, label: str) -> None:
    with pytest.raises(ParameterError, match="what the token is for"):
        access.issue_token("admin", label=label, role="viewer", by="admin")


@pytest.mark.parametrize(
    "wrong", [{"session_hours": 0}, {"attempts_per_user": 0}, {"min_password": 7}, {"min_password": 129}]
)
def test_rules_that_make_no_sense(wrong: dict[str, float]) -> None:
    with pytest.raises(ParameterError):
        AccessRules(**wrong)  # type: ignore[arg-type]
