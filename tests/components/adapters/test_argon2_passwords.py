from __future__ import annotations

from components.adapters.argon2_passwords import Argon2Passwords

QUICK = Argon2Passwords(memory_kib=32, passes=1)
PASSWORD = "four words put together"


def test_passwords_are_argon2id_hashes() -> None:
    hashed = QUICK.hash(PASSWORD)
    assert hashed.startswith("$argon2id$v=19$m=32,t=1,")
    assert hashed != QUICK.hash(PASSWORD)
    assert QUICK.matches(hashed, PASSWORD)
    assert not QUICK.matches(hashed, PASSWORD + " ")
    assert not QUICK.matches(None, PASSWORD)
    assert not QUICK.matches(None, "nobody has this password")
    assert not QUICK.matches("not a hash", PASSWORD)


def test_the_shipped_hash_is_the_recommended_one() -> None:
    assert Argon2Passwords().hash(PASSWORD).startswith("$argon2id$v=19$m=65536,t=3,p=4$")
