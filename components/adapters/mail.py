"""A notice by mail, over SMTP."""

from __future__ import annotations

import smtplib
import ssl
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from urllib.parse import unquote, urlsplit

from components.errors import ParameterError, StateError

_SECONDS = 10.0


@dataclass(frozen=True, kw_only=True)
class Mail:
    """``url``: ``smtp://USER:PASSWORD@HOST:PORT`` (STARTTLS where the server has it), or ``smtps://``.

    A password is sent over an encrypted connection only.
    """

    url: str = field(repr=False)
    sender: str
    to: str

    def send(self, subject: str, text: str) -> None:
        """Raises ``StateError`` unless the server takes it for everybody in ``to``, with commas."""
        message = EmailMessage()
        message["Subject"], message["From"], message["To"] = f"ctloop: {subject}", self.sender, self.to
        message["Date"], message["Message-ID"] = formatdate(), make_msgid(domain="ctloop.invalid")
        message.set_content(text)
        try:
            with self._connected() as server:
                refused = server.send_message(message)
        except (smtplib.SMTPException, OSError) as error:
            raise _refused(type(error).__name__) from error
        if refused:
            raise _refused(f"no for {len(refused)} recipients")

    def _connected(self) -> smtplib.SMTP:
        parts = urlsplit(self.url)
        if parts.scheme not in ("smtp", "smtps") or not parts.hostname:
            raise ParameterError(
                expected="smtp://HOST:PORT", got="another address", hint="checking CTLOOP_SMTP_URL"
            )
        context = ssl.create_default_context()
        if parts.scheme == "smtps":
            server: smtplib.SMTP = smtplib.SMTP_SSL(
                parts.hostname, parts.port or 465, timeout=_SECONDS, context=context
            )
        else:
            server = smtplib.SMTP(parts.hostname, parts.port or 25, timeout=_SECONDS)
        try:
            server.ehlo()
            encrypted = parts.scheme == "smtps"
            if not encrypted and server.has_extn("starttls"):
                server.starttls(context=context)
                server.ehlo()
                encrypted = True
            if parts.username:
                if not encrypted:
                    raise _refused("a server without encryption, to which no password is sent")
                server.login(unquote(parts.username), unquote(parts.password or ""))
        except BaseException:
            server.close()
            raise
        return server


def _refused(got: str) -> StateError:
    return StateError(
        expected="a mail server that takes the notice", got=got, hint="checking CTLOOP_SMTP_URL"
    )
