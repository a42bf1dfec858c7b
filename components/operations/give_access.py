"""Who comes in: invitations, logins, tokens. All of it is in the audit log; no secret is kept or logged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from components.accounts.account import Credential, Kind, User, hash_of, new_secret
from components.accounts.ports import AccountStore, Passwords
from components.accounts.role import Role
from components.errors import BusyError, InputError, ParameterError, StateError
from components.operations.access_rules import AccessRules, as_text

Clock = Callable[[], datetime]


def utc_clock() -> datetime:
    """The time now."""
    return datetime.now(UTC)


@dataclass(frozen=True, kw_only=True)
class Access:
    """The use cases around accounts, on one store."""

    store: AccountStore
    passwords: Passwords
    rules: AccessRules = field(default_factory=AccessRules)
    now: Clock = utc_clock

    # --- coming in
    def log_in(self, name: str, password: str, *, address: str) -> str:
        """The secret of a new session.

        Raises ``InputError`` when name and password do not belong together, without saying which is wrong, and
        ``BusyError`` after too many attempts.
        """
        name, now = name.strip(), self.now()
        known = self.store.user(name) if name.isprintable() and len(name) <= 40 else None
        self._take_attempt(known.name if known else "-", address, now)
        password_hash = known.password_hash if known and not known.disabled else None
        if not self.passwords.matches(password_hash, password[:1024]) or known is None:
            self.store.audit(
                actor=known.name if known else "stranger", action="login_refused",
                subject=known.name if known else "-", detail={"address": address},
            )  # fmt: skip
            raise InputError(expected="a name and its password", got="others", hint="again, or ask an admin")
        self.store.forgive(user=known.name, address=address)
        return self._begin(known, kind="session", role=known.role)

    def recognise(self, secret: str) -> tuple[Credential, User] | None:
        """Whose session or token ``secret`` is, while it stands."""
        found = self.store.credential(hash_of(secret), now=as_text(self.now())) if secret else None
        return found if found and found[0].kind != "invitation" else None

    # --- invitations
    def invite(self, name: str, role: Role, *, by: str) -> str:
        """The secret of an invitation that sets the password of a new user, or of one who forgot it.

        An earlier invitation of the same name ends. A disabled user is let in again.
        """
        fresh = User(name=name, role=role, created_at=as_text(self.now()))  # whose name is one
        user = self.store.user(name) or fresh
        self.store.put_user(replace(user, role=role, disabled=False), by=by, action="user_invited")
        self.store.drop_credentials(user=name, by=by, kind="invitation")
        return self._begin(user, kind="invitation", role=role, by=by)

    def invitation(self, secret: str) -> User:
        """Who is invited; raises ``StateError`` when it was taken up or has expired."""
        found = self.store.credential(hash_of(secret), now=as_text(self.now()))
        if found is None or found[0].kind != "invitation":
            raise StateError(
                expected="an invitation that stands", got="one that was used or has expired", hint="a new one"
            )
        return found[1]

    def take_up(self, secret: str, password: str) -> str:
        """Set the password of who is invited; the secret of a new session."""
        user = self.invitation(secret)
        hashed = self.passwords.hash(self.rules.check_password(password))
        user = replace(user, password_hash=hashed)
        if not self.store.take_up(user, hash_of(secret), by=user.name):
            self.invitation(secret)  # somebody was faster
        return self._begin(user, kind="session", role=user.role)

    def first_admin(self) -> str | None:
        """The secret of an invitation for ``admin``; ``None`` when an admin can log in already."""
        return None if self.has_admin() else self.invite("admin", "admin", by="ctloop")

    def has_admin(self) -> bool:
        """Whether anybody can give access."""
        return any(u.role == "admin" and u.password_hash and not u.disabled for u in self.store.users())

    # --- changing
    def change_role(self, name: str, role: Role, *, by: str) -> None:
        """Takes effect with the user's next request."""
        self.store.put_user(replace(self._known(name), role=role), by=by, action="role_changed")

    def change_password(self, name: str, old: str, new: str, *, address: str) -> str:
        """The secret of a new session; all earlier ones end. Tokens stay: programs do not know the password.

        Raises ``InputError`` for a wrong ``old`` or a ``new`` that is none, ``BusyError`` after too many attempts.
        """
        user = self._known(name)
        self._take_attempt(user.name, address, self.now())
        if not self.passwords.matches(user.password_hash, old[:1024]):
            detail: dict[str, object] = {"address": address}
            self.store.audit(actor=name, action="password_change_refused", subject=name, detail=detail)
            raise InputError(
                expected="your password as it is now", got="another one", hint="again, or ask an admin"
            )
        self.store.forgive(user=user.name, address=address)
        if old == new:
            raise ParameterError(expected="a new password", got="the one that you have", hint="another one")
        self.store.set_password(name, self.passwords.hash(self.rules.check_password(new)), by=name)
        return self._begin(user, kind="session", role=user.role)

    def disable(self, name: str, *, by: str) -> None:
        """Takes effect at once: sessions and tokens end."""
        self.store.put_user(replace(self._known(name), disabled=True), by=by, action="user_disabled")

    def issue_token(self, name: str, *, label: str, role: Role, by: str) -> str:
        """The secret of a token that may do at most what ``role`` and the user's own role allow."""
        if not label.strip() or len(label) > 100 or not label.isprintable():
            raise ParameterError(
                expected="what the token is for", got=repr(label[:40]), hint="OHIF at desk 3"
            )
        return self._begin(self._known(name), kind="token", role=role, label=label.strip(), by=by)

    def _take_attempt(self, name: str, address: str, now: datetime) -> None:
        rules = self.rules
        allowed = self.store.take_attempt(
            user=name,
            address=address,
            since=as_text(now - timedelta(minutes=rules.attempt_minutes)),
            # names that nobody has share one line, which is limited by address alone
            most_of_user=rules.attempts_per_address if name == "-" else rules.attempts_per_user,
            most_of_address=rules.attempts_per_address,
        )
        if not allowed:
            raise BusyError(
                expected="fewer attempts",
                got="too many in a short time",
                hint=f"again in {rules.attempt_minutes:g} minutes",
            )

    def _begin(self, user: User, *, kind: Kind, role: Role, label: str = "", by: str = "") -> str:
        secret = new_secret()
        made = self.rules.credential(
            secret, kind=kind, user=user.name, role=role, label=label, now=self.now()
        )
        self.store.add_credential(made, by=by or user.name)
        return secret

    def _known(self, name: str) -> User:
        if (found := self.store.user(name)) is None:
            raise StateError(expected="the name of a user", got=repr(name[:60]), hint="the page of accounts")
        return found
