from __future__ import annotations

import pytest

from components.accounts.account import Credential, User, hash_of, new_secret
from components.errors import ParameterError

BEFORE = "2026-01-01T00:00:00+00:00"


@pytest.mark.parametrize("name", ["", "Reader", "a b", "x" * 41, "é", "a\x00"])
def test_names_are_pseudonyms(name: str) -> None:
    with pytest.raises(ParameterError, match="pseudonym"):
        User(name=name, role="viewer", created_at=BEFORE)


def test_secrets_are_long_and_only_their_hash_is_kept() -> None:
    secrets = {new_secret() for _ in range(100)}
    assert len(secrets) == 100
    assert all(len(secret) == 43 for secret in secrets)  # 256 bits in base64
    # NIST FIPS 180-4, SHA-256 of "abc"
    assert hash_of("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_what_could_be_stolen_is_not_printed() -> None:
    user = User(name="reader-1", role="viewer", created_at=BEFORE, password_hash="$argon2id$secret")
    credential = Credential(
        sha256="f" * 64,
        kind="token",
        user="reader-1",
        role="viewer",
        label="",
        created_at=BEFORE,
        expires_at=BEFORE,
    )
    assert "secret" not in repr(user)
    assert "ffff" not in repr(credential)
