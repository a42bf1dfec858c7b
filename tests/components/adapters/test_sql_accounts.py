from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from components.accounts.account import Credential, User, hash_of
from components.adapters.sql_accounts import SqlAccounts
from components.adapters.sql_store import SqlStore, open_store
from components.errors import StateError
from tests.components.adapters.databases import BOTH, empty_database

BEFORE, LATER, NEVER = "2026-01-01T00:00:00+00:00", "2099-01-01T00:00:00+00:00", "2000-01-01T00:00:00+00:00"
ADMIN = User(name="chief", role="admin", created_at=BEFORE, password_hash="x")
READER = User(name="reader-1", role="annotator", created_at=BEFORE, password_hash="y")


def a_credential(secret: str, **changes: object) -> Credential:
    made = Credential(
        sha256=hash_of(secret), kind="session", user="reader-1", role="annotator", label="",
        created_at=BEFORE, expires_at=LATER,
    )  # fmt: skip
    return replace(made, **changes)  # type: ignore[arg-type]


@pytest.fixture(params=BOTH)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SqlStore]:
    for url in empty_database(request.param, tmp_path):
        store = open_store(url)
        yield store
        store.close()


@pytest.fixture
def accounts(store: SqlStore) -> SqlAccounts:
    for user in (ADMIN, READER):
        store.accounts.put_user(user, by="ctloop", action="user_invited")
    return store.accounts


def test_users_come_back_as_they_were_put(accounts: SqlAccounts) -> None:
    assert accounts.users() == (ADMIN, READER)
    accounts.put_user(replace(READER, role="engineer"), by="chief", action="role_changed")
    found = accounts.user("reader-1")
    assert found is not None
    assert found.role == "engineer"
    assert accounts.user("nobody") is None


def test_the_last_admin_stays(accounts: SqlAccounts) -> None:
    for gone in (replace(ADMIN, disabled=True), replace(ADMIN, role="viewer")):
        with pytest.raises(StateError, match="one admin at least"):
            accounts.put_user(gone, by="chief", action="role_changed")
    assert accounts.user("chief") == ADMIN


def test_a_credential_stands_until_it_expires_or_its_user_is_disabled(accounts: SqlAccounts) -> None:
    accounts.add_credential(a_credential("secret"), by="reader-1")
    assert accounts.credential(hash_of("secret"), now=BEFORE) == (a_credential("secret"), READER)
    assert accounts.credential(hash_of("secret"), now=LATER) is None
    assert accounts.credential(hash_of("other"), now=BEFORE) is None
    accounts.put_user(replace(READER, disabled=True), by="chief", action="user_disabled")
    accounts.put_user(READER, by="chief", action="user_invited")
    assert accounts.credential(hash_of("secret"), now=BEFORE) is None


def test_one_credential_or_all_of_a_kind_can_be_dropped(accounts: SqlAccounts) -> None:
    for name in ("a", "b", "c"):
        accounts.add_credential(a_credential(name, kind="token", label=name), by="reader-1")
    assert accounts.drop_credentials(user="chief", by="chief", credential_id=hash_of("a")[:12]) == 0
    assert accounts.drop_credentials(user="reader-1", by="chief", credential_id=hash_of("a")[:12]) == 1
    assert {one.label for one in accounts.credentials("token", user="reader-1", now=BEFORE)} == {"b", "c"}
    assert accounts.drop_credentials(user="reader-1", by="chief", kind="token") == 2


def test_an_invitation_is_taken_up_once(accounts: SqlAccounts) -> None:
    accounts.add_credential(a_credential("session"), by="reader-1")
    accounts.add_credential(a_credential("invitation", kind="invitation"), by="chief")
    fresh = replace(READER, password_hash="new")
    assert not accounts.take_up(fresh, hash_of("session"), by="reader-1")
    with ThreadPoolExecutor(4) as pool:
        taken = list(
            pool.map(lambda _: accounts.take_up(fresh, hash_of("invitation"), by="reader-1"), range(4))
        )
    assert sorted(taken) == [False, False, False, True]
    assert accounts.user("reader-1") == fresh
    assert accounts.credential(hash_of("session"), now=BEFORE) is None


def test_a_new_password_ends_sessions_and_invitations_but_no_token_and_leaves_the_rest(
    accounts: SqlAccounts, store: SqlStore
) -> None:
    for kind in ("session", "invitation", "token"):
        accounts.add_credential(a_credential(kind, kind=kind), by="reader-1")
    accounts.add_credential(a_credential("chief", user="chief"), by="chief")
    accounts.set_password("reader-1", "z", by="reader-1")
    assert accounts.user("reader-1") == replace(READER, password_hash="z")
    assert accounts.user("chief") == ADMIN
    standing = {secret for secret in ("session", "invitation", "token", "chief")
                if accounts.credential(hash_of(secret), now=BEFORE)}  # fmt: skip
    assert standing == {"token", "chief"}
    last = store.audit_log("reader-1")[-1]
    assert (last.actor, last.action, last.detail) == ("reader-1", "password_changed", {"ended": 2})


def test_attempts_are_counted_by_user_and_by_address(accounts: SqlAccounts) -> None:
    def attempt(user: str, address: str, since: str = BEFORE) -> bool:
        return accounts.take_attempt(
            user=user, address=address, since=since, most_of_user=3, most_of_address=5
        )

    with ThreadPoolExecutor(8) as pool:  # many at once are no way around it
        assert sum(pool.map(lambda _: attempt("chief", "10.0.0.1"), range(8))) == 3
    assert sum(attempt("reader-1", "10.0.0.1") for _ in range(4)) == 2  # the address has had five
    accounts.forgive(user="chief", address="10.0.0.1")
    assert attempt("chief", "10.0.0.1")
    assert attempt("chief", "10.0.0.1", since=LATER)  # all before are forgotten


def test_every_change_is_in_the_audit_log_and_no_secret_is(store: SqlStore, accounts: SqlAccounts) -> None:
    accounts.add_credential(a_credential("secret", kind="token", label="OHIF"), by="reader-1")
    accounts.drop_credentials(user="reader-1", by="chief")
    accounts.audit(actor="stranger", action="login_refused", subject="-", detail={})
    lines = store.audit_log()
    assert [(line.actor, line.action, line.subject) for line in lines] == [
        ("ctloop", "user_invited", "chief"),
        ("ctloop", "user_invited", "reader-1"),
        ("reader-1", "token_begun", "reader-1"),
        ("chief", "token_ended", "reader-1"),
        ("stranger", "login_refused", "-"),
    ]
    assert not any(hash_of("secret") in str(line.detail) for line in lines)
