"""Users, credentials and login attempts in SQL; each change and its line in the audit log are one transaction."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

from sqlalchemy import Connection, Engine, Table, delete, func, insert, select, update

from components.accounts.account import Credential, Kind, User
from components.adapters.sql_engine import reading, writing
from components.adapters.sql_tables import AuditRow, CredentialRow, LoginAttemptRow, UserRow
from components.errors import StateError

_USERS = cast(Table, UserRow.__table__)
_CREDENTIALS = cast(Table, CredentialRow.__table__)
_ATTEMPTS = cast(Table, LoginAttemptRow.__table__)


class SqlAccounts:
    """Implements ``components.accounts.ports.AccountStore``."""

    def __init__(self, engine: Engine, now: Callable[[], str]) -> None:
        self._engine, self._now = engine, now

    # --- users
    def user(self, name: str) -> User | None:
        with reading(self._engine) as connection:
            row = connection.execute(select(_USERS).where(_USERS.c.name == name)).mappings().first()
        return None if row is None else User(**cast(Any, row))

    def users(self) -> tuple[User, ...]:
        with reading(self._engine) as connection:
            rows = connection.execute(select(_USERS).order_by(_USERS.c.name)).mappings()
            return tuple(User(**cast(Any, row)) for row in rows)

    def put_user(self, user: User, *, by: str, action: str) -> None:
        with writing(self._engine) as connection:
            _one_at_a_time(connection, "users")
            before = _admins(connection)
            _write_user(connection, user)
            if before and not _admins(connection):
                raise StateError(
                    expected="one admin at least", got="none after this", hint="another admin first"
                )
            if user.disabled:
                connection.execute(delete(_CREDENTIALS).where(_CREDENTIALS.c.user == user.name))
            self._audit(connection, by, action, user.name, {"role": user.role, "disabled": user.disabled})

    # --- credentials
    def add_credential(self, credential: Credential, *, by: str) -> None:
        with writing(self._engine) as connection:
            connection.execute(delete(_CREDENTIALS).where(_CREDENTIALS.c.expires_at <= self._now()))
            connection.execute(insert(_CREDENTIALS).values(**vars(credential)))
            detail = {"id": credential.id, "role": credential.role, "expires_at": credential.expires_at}
            label = {"label": credential.label} if credential.label else {}
            self._audit(connection, by, f"{credential.kind}_begun", credential.user, {**detail, **label})

    def credential(self, sha256: str, *, now: str) -> tuple[Credential, User] | None:
        here = (_CREDENTIALS.c.sha256 == sha256, _CREDENTIALS.c.expires_at > now)
        with reading(self._engine) as connection:
            row = connection.execute(select(_CREDENTIALS).where(*here)).mappings().first()
            if row is None:
                return None
            of = select(_USERS).where(_USERS.c.name == row["user"])
            user = User(**cast(Any, connection.execute(of).mappings().one()))
        return None if user.disabled else (Credential(**cast(Any, row)), user)

    def credentials(self, kind: Kind, *, user: str, now: str) -> tuple[Credential, ...]:
        column = _CREDENTIALS.c
        query = select(_CREDENTIALS).where(column.kind == kind, column.user == user, column.expires_at > now)
        with reading(self._engine) as connection:
            rows = connection.execute(query.order_by(column.created_at, column.sha256)).mappings()
            return tuple(Credential(**cast(Any, row)) for row in rows)

    def drop_credentials(
        self, *, user: str, by: str, kind: Kind | None = None, credential_id: str | None = None
    ) -> int:
        column = _CREDENTIALS.c
        here = [column.user == user]
        if kind is not None:
            here.append(column.kind == kind)
        if credential_id is not None:
            here.append(func.substr(column.sha256, 1, 12) == credential_id)
        with writing(self._engine) as connection:
            gone = connection.execute(delete(_CREDENTIALS).where(*here).returning(column.kind, column.sha256))
            dropped = [(row.kind, row.sha256[:12]) for row in gone]
            for what, credential in dropped:
                self._audit(connection, by, f"{what}_ended", user, {"id": credential})
        return len(dropped)

    def take_up(self, user: User, invitation: str, *, by: str) -> bool:
        column = _CREDENTIALS.c
        standing = (column.sha256 == invitation, column.kind == "invitation", column.user == user.name)
        with writing(self._engine) as connection:
            spent = delete(_CREDENTIALS).where(*standing, column.expires_at > self._now())
            if not connection.execute(spent).rowcount:
                return False
            connection.execute(delete(_CREDENTIALS).where(column.user == user.name))
            _write_user(connection, user)
            self._audit(connection, by, "password_set", user.name, {"id": invitation[:12]})
        return True

    # --- attempts to log in
    def set_password(self, name: str, password_hash: str, *, by: str) -> None:
        column = _CREDENTIALS.c
        with writing(self._engine) as connection:
            change = update(_USERS).where(_USERS.c.name == name)
            connection.execute(change.values(password_hash=password_hash))
            theirs = delete(_CREDENTIALS).where(column.user == name, column.kind != "token")
            ended = connection.execute(theirs).rowcount
            self._audit(connection, by, "password_changed", name, {"ended": ended})

    def take_attempt(
        self, *, user: str, address: str, since: str, most_of_user: int, most_of_address: int
    ) -> bool:
        column = _ATTEMPTS.c
        with writing(self._engine) as connection:
            _one_at_a_time(connection, "login_attempts")
            connection.execute(delete(_ATTEMPTS).where(column.at < since))
            count = select(func.count()).select_from(_ATTEMPTS)
            of_user = connection.execute(count.where(column.user == user)).scalar_one()
            of_address = connection.execute(count.where(column.address == address)).scalar_one()
            allowed = bool(of_user < most_of_user and of_address < most_of_address)
            if allowed:
                connection.execute(insert(_ATTEMPTS).values(at=self._now(), user=user, address=address))
        return allowed

    def forgive(self, *, user: str, address: str) -> None:
        here = (_ATTEMPTS.c.user == user, _ATTEMPTS.c.address == address)
        with writing(self._engine) as connection:
            connection.execute(delete(_ATTEMPTS).where(*here))

    # --- audit log
    def audit(self, *, actor: str, action: str, subject: str, detail: dict[str, object]) -> None:
        with writing(self._engine) as connection:
            self._audit(connection, actor, action, subject, detail)

    def _audit(
        self, connection: Connection, actor: str, action: str, subject: str, detail: Mapping[str, object]
    ) -> None:
        line = {"actor": actor, "action": action, "subject": subject, "detail": dict(detail)}
        connection.execute(insert(AuditRow).values(at=self._now(), **line))


def _write_user(connection: Connection, user: User) -> None:
    values = vars(user)
    changed = connection.execute(update(_USERS).where(_USERS.c.name == user.name).values(**values))
    if not changed.rowcount:
        connection.execute(insert(_USERS).values(**values))


def _admins(connection: Connection) -> int:
    """How many can log in and give access."""
    column = _USERS.c
    here = (column.role == "admin", column.disabled.is_(False), column.password_hash.is_not(None))
    return int(connection.execute(select(func.count()).select_from(_USERS).where(*here)).scalar_one())


def _one_at_a_time(connection: Connection, table: str) -> None:
    """In PostgreSQL two processes could both look and then both write; SQLite has one writer anyway."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"LOCK TABLE {table} IN EXCLUSIVE MODE")
