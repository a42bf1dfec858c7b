"""The ports to where accounts are kept and how passwords are hashed."""

from __future__ import annotations

from typing import Protocol

from components.accounts.account import Credential, Kind, User


class Passwords(Protocol):
    """One-way hashes of passwords."""

    def hash(self, password: str) -> str: ...

    def matches(self, password_hash: str | None, password: str) -> bool:
        """Takes as long for ``None``, which nothing matches: the time must not tell which names exist."""
        ...


class AccountStore(Protocol):
    """Users, credentials and login attempts; every change is in the audit log with who made it."""

    def user(self, name: str) -> User | None: ...

    def users(self) -> tuple[User, ...]: ...

    def put_user(self, user: User, *, by: str, action: str) -> None:
        """Add or replace; all credentials of a disabled user are dropped.

        Raises ``StateError`` when no enabled admin with a password would be left where one was.
        """
        ...

    def add_credential(self, credential: Credential, *, by: str) -> None: ...

    def credential(self, sha256: str, *, now: str) -> tuple[Credential, User] | None:
        """``None`` when it is unknown or has expired, or its user is disabled."""
        ...

    def credentials(self, kind: Kind, *, user: str, now: str) -> tuple[Credential, ...]:
        """Those that have not expired, oldest first."""
        ...

    def drop_credentials(
        self, *, user: str, by: str, kind: Kind | None = None, credential_id: str | None = None
    ) -> int:
        """Revoke those of ``user`` of this kind, or the one of this id; how many there were."""
        ...

    def take_up(self, user: User, invitation: str, *, by: str) -> bool:
        """Replace ``user`` and drop all its credentials, if the invitation with this hash still stood; once."""
        ...

    def set_password(self, name: str, password_hash: str, *, by: str) -> None:
        """Of a user, and end all sessions and invitations of that name, both or neither."""
        ...

    def take_attempt(
        self, *, user: str, address: str, since: str, most_of_user: int, most_of_address: int
    ) -> bool:
        """Count one attempt to log in; ``False`` when there were that many since already."""
        ...

    def forgive(self, *, user: str, address: str) -> None:
        """Forget the attempts of ``user`` from ``address``: the last one was right."""
        ...

    def audit(self, *, actor: str, action: str, subject: str, detail: dict[str, object]) -> None:
        """One line of the audit log."""
        ...
