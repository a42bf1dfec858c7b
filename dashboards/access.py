"""Who may come in: a session in a browser, a token of a program.

A browser gets an HttpOnly, SameSite=Strict cookie, a program sends its token as ``Authorization: Bearer``. Another
site can neither send our forms (they carry a secret, and browsers say where a request comes from) nor rebind its
name to this machine (the Host header must name it).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from components.accounts.role import lesser
from components.operations.give_access import Access
from dashboards.visitor import Visitor, same

COOKIE = "ctloop_session"
LOOPBACK = ("127.0.0.1", "localhost", "::1")
_OPEN_PATHS = ("/login", "/invitation/", "/static/")
_SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
SECURITY_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; img-src 'self'; style-src 'self'; script-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


@dataclass(frozen=True, kw_only=True)
class Entrance:
    """What the guard goes by.

    Args:
        access: users and their credentials.
        workspace_token: kept in the state folder, for programs on this machine; who can read it can run
            every verb there, so it may do what an engineer may.
        names: that this machine may be called by.
        beyond_loopback: whether other machines may ask; then cookies travel over TLS only.
    """

    access: Access
    workspace_token: str = field(repr=False)
    names: Sequence[str] = LOOPBACK
    beyond_loopback: bool = False

    def visitor(self, scope: Scope, headers: Headers) -> Visitor | None:
        """Who is asking, if that is known."""
        kind, _, sent = headers.get("authorization", "").partition(" ")
        token = sent.strip() if kind.lower() == "bearer" else ""
        if token and same(token, self.workspace_token):
            return Visitor(name="workspace", role="engineer", by_program=True, secret=token)
        secret = token or Request(scope).cookies.get(COOKIE, "")
        found = self.access.recognise(secret)
        if found is None or found[0].kind != ("token" if token else "session"):
            return None
        credential, user = found
        role = lesser(user.role, credential.role) if token else user.role
        return Visitor(name=user.name, role=role, by_program=bool(token), secret=secret)

    def is_here(self, scope: Scope, headers: Headers) -> bool:
        """Whether this machine is asked by a name of its own, and by who may ask."""
        client = scope.get("client")
        near = self.beyond_loopback or client is None or client[0] in LOOPBACK
        return near and _host_name(headers.get("host", "")) in self.names


class Guard:
    """Refuses strangers, and puts the security headers on every reply."""

    def __init__(self, app: ASGIApp, entrance: Entrance) -> None:
        self._app, self._entrance = app, entrance

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in {**SECURITY_HEADERS, "Cache-Control": "no-store"}.items():
                    headers.setdefault(name, value)
            await send(message)

        refusal = await self._refusal(scope)
        await (refusal or self._app)(scope, receive, send_guarded)

    async def _refusal(self, scope: Scope) -> Response | None:
        headers, path = Headers(scope=scope), scope["path"]
        if not path.isprintable():  # a database may refuse what no page has
            return PlainTextResponse("No page is called that.", 404)
        if not self._entrance.is_here(scope, headers):
            return PlainTextResponse("This page answers only on the machine that it runs on.", 403)
        if scope["method"] not in _SAFE_METHODS and _from_elsewhere(headers):
            return PlainTextResponse("Another site sent this.", 403)
        visitor = None
        if not path.startswith("/static/"):
            visitor = await run_in_threadpool(self._entrance.visitor, scope, headers)
        scope.setdefault("state", {})["visitor"] = visitor
        if visitor is not None or path.startswith(_OPEN_PATHS):
            return None
        if path.startswith("/api/") or path == "/metrics":
            unknown = {"WWW-Authenticate": "Bearer"}
            return JSONResponse(
                {"error": "expected the token as `Authorization: Bearer TOKEN`"}, 401, unknown
            )
        if "hx-request" in headers:  # a part of a page: the whole page must go
            return Response(status_code=200, headers={"HX-Redirect": "/login"})
        return RedirectResponse("/login", 303)


def _from_elsewhere(headers: Headers) -> bool:
    """Whether a browser says that another site made it send this; programs say nothing."""
    if headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
        return True
    origin = headers.get("origin")
    return origin is not None and urlsplit(origin).netloc != headers.get("host", "")


def _host_name(host: str) -> str:
    return host[1:].split("]")[0] if host.startswith("[") else host.split(":")[0]
