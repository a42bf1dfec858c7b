"""Passwords as argon2id hashes (RFC 9106), with the library's parameters for interactive logins."""

from __future__ import annotations

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.profiles import RFC_9106_LOW_MEMORY


class Argon2Passwords:
    """Implements ``components.accounts.ports.Passwords``.

    Args:
        memory_kib, passes: of one hash; by default RFC 9106's second recommended option: 64 MiB, 3 passes.
    """

    def __init__(
        self,
        memory_kib: int = RFC_9106_LOW_MEMORY.memory_cost,
        passes: int = RFC_9106_LOW_MEMORY.time_cost,
    ) -> None:
        self._hasher = PasswordHasher(time_cost=passes, memory_cost=memory_kib)
        self._nobody = self._hasher.hash("nobody has this password")

    def hash(self, password: str) -> str:
        return self._hasher.hash(password)

    def matches(self, password_hash: str | None, password: str) -> bool:
        try:
            right = self._hasher.verify(password_hash or self._nobody, password)
        except (VerificationError, InvalidHashError):
            return False
        return right and password_hash is not None
