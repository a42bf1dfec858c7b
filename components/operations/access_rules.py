"""How long access lasts, and how often a wrong password may be tried."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from components.accounts.account import Credential, Kind, hash_of
from components.accounts.role import Role
from components.errors import ParameterError


@dataclass(frozen=True, kw_only=True)
class AccessRules:
    """Limits of accounts.

    Args:
        session_hours, token_days, invitation_hours: after which they expire.
        attempts_per_user, attempts_per_address: at logging in within ``attempt_minutes``; further ones are
            refused unread, right or wrong. Right ones do not count.
        min_password: characters (NIST SP 800-63B asks for length, not for kinds of characters).
    """

    session_hours: float = 12.0
    token_days: float = 90.0
    invitation_hours: float = 24.0
    attempts_per_user: int = 10
    attempts_per_address: int = 30
    attempt_minutes: float = 15.0
    min_password: int = 12

    def __post_init__(self) -> None:
        durations = (self.session_hours, self.token_days, self.invitation_hours, self.attempt_minutes)
        if min(durations) <= 0 or min(self.attempts_per_user, self.attempts_per_address) < 1:
            raise ParameterError(
                expected="positive durations and numbers of attempts", got=str(self), hint="the shipped ones"
            )
        if not 8 <= self.min_password <= 128:
            raise ParameterError(expected="min_password from 8 to 128", got=str(self.min_password), hint="12")

    def lifetime(self, kind: Kind) -> timedelta:
        """Of a new credential."""
        return {
            "session": timedelta(hours=self.session_hours),
            "token": timedelta(days=self.token_days),
            "invitation": timedelta(hours=self.invitation_hours),
        }[kind]

    def check_password(self, password: str) -> str:
        """``password``; raises ``ParameterError`` when it is too short, or too long to hash at a login."""
        if not self.min_password <= len(password) <= 1024:
            raise ParameterError(
                expected=f"a password of {self.min_password} to 1024 characters",
                got=f"{len(password)}",
                hint="a few words that only you put together",
            )
        return password

    def credential(
        self, secret: str, *, kind: Kind, user: str, role: Role, now: datetime, label: str = ""
    ) -> Credential:
        """A new one for ``secret``, from ``now`` on."""
        return Credential(
            sha256=hash_of(secret), kind=kind, user=user, role=role, label=label,
            created_at=as_text(now), expires_at=as_text(now + self.lifetime(kind)),
        )  # fmt: skip


def as_text(moment: datetime) -> str:
    """ISO 8601 in UTC, to the second, as the database has it."""
    return moment.astimezone(UTC).isoformat(timespec="seconds")
