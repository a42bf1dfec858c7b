"""Names that identify nobody: keyed hashes of identifiers (HMAC-SHA256, RFC 2104)."""

from __future__ import annotations

import hashlib
import hmac
from typing import Literal

Kind = Literal["patient", "case", "source"]


def pseudonym(key: bytes, kind: Kind, value: str) -> str:
    """The first letter of ``kind`` and 12 hex digits; only who holds ``key`` can link it to ``value``."""
    # a file name need not be UTF-8: Python reads its other bytes as surrogates
    text = f"{kind}\x00{value}".encode(errors="surrogateescape")
    digest = hmac.new(key, text, hashlib.sha256).hexdigest()
    return kind[0] + digest[:12]


def key_fingerprint(key: bytes) -> str:
    """16 hex digits that tell two keys apart and say nothing about them."""
    return hmac.new(key, b"ctloop key fingerprint", hashlib.sha256).hexdigest()[:16]
