"""A notice to a webhook, as JSON that Slack and its likes take, signed so that the receiver knows the sender.

X-Ctloop-Timestamp: seconds since 1970
X-Ctloop-Signature: sha256=HEX of HMAC-SHA-256(secret, timestamp + "." + body), RFC 2104
"""

from __future__ import annotations

import hashlib
import hmac
import json
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field

from components.errors import StateError

_SECONDS = 10.0


@dataclass(frozen=True, kw_only=True)
class Webhook:
    """``url`` is http or https; without ``secret`` nothing is signed."""

    url: str = field(repr=False)
    secret: str | None = field(default=None, repr=False)

    def send(self, subject: str, text: str) -> None:
        """Raises ``StateError`` unless it is taken."""
        body = json.dumps({"text": f"*{subject}*\n{text}"}).encode()
        headers = {"Content-Type": "application/json", "User-Agent": "ctloop"}
        if self.secret is not None:
            stamp = str(int(time.time()))
            headers["X-Ctloop-Timestamp"] = stamp
            headers["X-Ctloop-Signature"] = f"sha256={signature(self.secret, stamp, body)}"
        if not self.url.startswith(("http://", "https://")):
            raise _refused("another kind of address")
        request = urllib.request.Request(self.url, data=body, headers=headers, method="POST")  # noqa: S310 - checked
        try:
            with urllib.request.urlopen(request, timeout=_SECONDS) as answer:  # noqa: S310 - checked
                answer.read(1024)
        except (urllib.error.URLError, OSError) as error:
            raise _refused(str(getattr(error, "reason", error) or type(error).__name__)) from error


def signature(secret: str, stamp: str, body: bytes) -> str:
    """See above."""
    return hmac.new(secret.encode(), stamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def _refused(got: str) -> StateError:
    return StateError(expected="a webhook that takes the notice", got=got, hint="checking CTLOOP_WEBHOOK_URL")
