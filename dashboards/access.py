"""Who may come in: a person on this machine who holds the token.

A browser gets an HttpOnly, SameSite=Strict cookie for it, a program sends it as ``Authorization: Bearer``.
Forms carry a second secret, so that another site cannot send them. The Host header must name this machine,
so that another site cannot rebind its name to it.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass

from fastapi import Depends, HTTPException, Request
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

COOKIE = "ctloop_session"
_OPEN_PATHS = ("/login", "/static/")
LOOPBACK = ("127.0.0.1", "localhost", "::1")
_SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
SECURITY_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; img-src 'self'; style-src 'self'; script-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


@dataclass(frozen=True)
class Secrets:
    """What is derived from the token, so that the token itself is in no cookie and on no page."""

    token: str

    @property
    def session(self) -> str:
        return self._derive("session")

    @property
    def form(self) -> str:
        return self._derive("form")

    def _derive(self, purpose: str) -> str:
        return hmac.new(self.token.encode(), f"ctloop {purpose}".encode(), hashlib.sha256).hexdigest()


def same(one: str, two: str) -> bool:
    """Compare in constant time."""
    return hmac.compare_digest(one.encode(), two.encode())


class Guard:
    """Refuses strangers, and puts the security headers on every reply."""

    def __init__(self, app: ASGIApp, secrets: Secrets) -> None:
        self._app, self._secrets = app, secrets

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(SECURITY_HEADERS)
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        refusal = self._refusal(scope)
        await (refusal or self._app)(scope, receive, send_guarded)

    def _refusal(self, scope: Scope) -> Response | None:
        headers, path = Headers(scope=scope), scope["path"]
        if not _local(scope, headers):
            return PlainTextResponse("This page answers only on the machine that it runs on.", 403)
        scope.setdefault("state", {})["by_program"] = self._by_program(headers)
        if path.startswith(_OPEN_PATHS) or scope["state"]["by_program"] or self._by_cookie(scope):
            return None
        if path.startswith("/api/"):
            unknown = {"WWW-Authenticate": "Bearer"}
            return JSONResponse(
                {"error": "expected the token as `Authorization: Bearer TOKEN`"}, 401, unknown
            )
        return RedirectResponse("/login", 303)

    def _by_program(self, headers: Headers) -> bool:
        kind, _, sent = headers.get("authorization", "").partition(" ")
        return kind.lower() == "bearer" and same(sent.strip(), self._secrets.token)

    def _by_cookie(self, scope: Scope) -> bool:
        return same(Request(scope).cookies.get(COOKIE, ""), self._secrets.session)


async def no_forgery(request: Request) -> None:
    """For every route that changes something: the form's secret, unless a program sent the token."""
    if request.method in _SAFE_METHODS or request.state.by_program:
        return
    sent = request.headers.get("x-ctloop-form") or (await request.form()).get("form_secret") or ""
    if not isinstance(sent, str) or not same(sent, request.app.state.secrets.form):
        raise HTTPException(403, "The form is out of date. Load the page again and send it once more.")


NoForgery = Depends(no_forgery)


def _local(scope: Scope, headers: Headers) -> bool:
    client = scope.get("client")
    host = headers.get("host", "")
    named = host[1:].split("]")[0] if host.startswith("[") else host.split(":")[0]
    return named in LOOPBACK and (client is None or client[0] in LOOPBACK)
