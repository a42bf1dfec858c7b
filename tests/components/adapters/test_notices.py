"""Webhook and mail against real servers on loopback."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from email import message_from_bytes, policy

import pytest

from components.adapters.mail import Mail
from components.adapters.webhook import Webhook
from components.errors import ParameterError, StateError
from tests.components.adapters.notice_servers import smtp_server, webhook_server


def test_a_webhook_gets_slacks_json_signed() -> None:
    with webhook_server() as received:
        Webhook(url=f"http://127.0.0.1:{received.port}/hook", secret="s3cret").send(
            "verify failed", "entry 7 ä"
        )
    ((headers, body),) = received.posts
    assert json.loads(body) == {"text": "*verify failed*\nentry 7 ä"}
    stamp = headers["X-Ctloop-Timestamp"]
    assert abs(time.time() - int(stamp)) < 60
    expected = hmac.new(b"s3cret", stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    assert headers["X-Ctloop-Signature"] == f"sha256={expected}"
    assert headers["Content-Type"] == "application/json"


def test_without_a_secret_nothing_is_signed() -> None:
    with webhook_server() as received:
        Webhook(url=f"http://127.0.0.1:{received.port}/").send("a", "b")
    assert "X-Ctloop-Signature" not in received.posts[0][0]


def test_a_webhook_that_does_not_take_it_is_an_error_that_names_no_address() -> None:
    with (
        webhook_server(status=500) as received,
        pytest.raises(StateError, match="takes the notice") as raised,
    ):
        Webhook(url=f"http://127.0.0.1:{received.port}/token-in-path").send("a", "b")
    assert "token-in-path" not in str(raised.value)
    with pytest.raises(StateError):
        Webhook(url=f"http://127.0.0.1:{received.port}/").send("a", "b")
    with pytest.raises(StateError, match="another kind"):
        Webhook(url="file:///etc/passwd").send("a", "b")


def test_a_mail_arrives_as_it_was_sent() -> None:
    with smtp_server() as received:
        mail = Mail(
            url=f"smtp://127.0.0.1:{received.port}",
            sender="ctloop@example.org",
            to="a@example.org, b@example.org",
        )
        mail.send("verify failed", "entry 7\n.\nä")
    ((envelope, raw),) = received.mails
    assert [line.split(":")[1].split(">")[0] for line in envelope] == [
        "<ctloop@example.org", "<a@example.org", "<b@example.org",
    ]  # fmt: skip
    message = message_from_bytes(raw, policy=policy.default)
    assert message["Subject"] == "ctloop: verify failed"
    assert message.get_content().replace("\r\n", "\n") == "entry 7\n.\nä\n"


def test_a_mail_server_that_refuses_is_an_error() -> None:
    with smtp_server(refuse=True) as received, pytest.raises(StateError, match="mail server"):
        Mail(url=f"smtp://127.0.0.1:{received.port}", sender="a@example.org", to="b@example.org").send(
            "a", "b"
        )
    with pytest.raises(StateError, match="mail server"):
        Mail(url=f"smtp://127.0.0.1:{received.port}", sender="a@example.org", to="b@example.org").send(
            "a", "b"
        )
    with pytest.raises(ParameterError, match="smtp://"):
        Mail(url="mailhost", sender="a@example.org", to="b@example.org").send("a", "b")


def test_no_password_goes_over_a_connection_that_anybody_may_read() -> None:
    with smtp_server() as received, pytest.raises(StateError, match="encryption"):
        Mail(url=f"smtp://u:p@127.0.0.1:{received.port}", sender="a@example.org", to="b@example.org").send(
            "a", "b"
        )
    assert received.mails == []
