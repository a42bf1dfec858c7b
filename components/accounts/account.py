"""Who has access: people, and the secrets by which they and their programs are known again."""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass, field
from typing import Literal

from components.accounts.role import Role
from components.errors import ParameterError

Kind = Literal["session", "token", "invitation"]

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,39}")


@dataclass(frozen=True, kw_only=True)
class User:
    """A person, by role or pseudonym; ``password_hash`` is ``None`` until an invitation was taken up."""

    name: str
    role: Role
    created_at: str
    password_hash: str | None = field(default=None, repr=False)
    disabled: bool = False

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ParameterError(
                expected="a name of up to 40 small letters, digits, '.', '_' and '-'",
                got=repr(self.name[:60]),
                hint="a role or pseudonym: reader-1",
            )


@dataclass(frozen=True, kw_only=True)
class Credential:
    """A secret that stands for ``user`` until ``expires_at``; only its hash is kept.

    Args:
        sha256: of the secret. Secrets have 256 random bits, so a plain hash is enough.
        kind: ``session`` of a browser, ``token`` of a program, ``invitation`` to set a password, once.
        role: at most what it allows, whatever the user's own role.
        label: what a token is for.
        created_at, expires_at: ISO 8601 in UTC.
    """

    sha256: str = field(repr=False)
    kind: Kind
    user: str
    role: Role
    label: str
    created_at: str
    expires_at: str

    @property
    def id(self) -> str:
        """What pages and the audit log call it."""
        return self.sha256[:12]


def new_secret() -> str:
    """256 random bits as text."""
    return secrets.token_urlsafe(32)


def hash_of(secret: str) -> str:
    """What is kept of a secret."""
    return hashlib.sha256(secret.encode()).hexdigest()
