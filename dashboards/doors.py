"""The doors: log in, take up an invitation, log out. Anybody may knock; see ``dashboards.access`` for who is let in."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse
from starlette.responses import Response

from components.accounts.account import hash_of
from components.errors import BusyError, CtloopError, InputError
from components.operations.give_access import Access
from components.volume.slices import colour_of
from dashboards.access import COOKIE, Entrance
from dashboards.rendering import page
from dashboards.visitor import Visitor, needs

door = APIRouter(include_in_schema=False)
exits = APIRouter(include_in_schema=False)


@door.get("/login")
def login_page(request: Request) -> Response:
    return page(request, "login.html", refused="")


@door.post("/login")
def login(
    request: Request, name: Annotated[str, Form()] = "", password: Annotated[str, Form()] = ""
) -> Response:
    address = request.client.host if request.client else "here"
    try:
        secret = _access(request).log_in(name, password, address=address)
    except BusyError as error:
        return page(request, "login.html", 429, refused=f"Too many attempts: {error.hint}.")
    except InputError:
        return page(request, "login.html", 403, refused="That is not a name and its password.")
    return come_in(request, secret)


@door.get("/invitation/{secret}")
def invitation_page(request: Request, secret: str) -> Response:
    user = _access(request).invitation(secret)
    return page(
        request, "invitation.html", user=user, least=_access(request).rules.min_password, refused=None
    )


@door.post("/invitation/{secret}")
def take_up_invitation(request: Request, secret: str, password: Annotated[str, Form()] = "") -> Response:
    access = _access(request)
    user = access.invitation(secret)
    try:
        session = access.take_up(secret, password)
    except CtloopError as error:
        return page(
            request, "invitation.html", 422, user=user, least=access.rules.min_password, refused=error
        )
    return come_in(request, session)


@exits.post("/logout", dependencies=needs("viewer"))
def logout(request: Request) -> Response:
    visitor: Visitor = request.state.visitor
    store = _access(request).store
    store.drop_credentials(
        user=visitor.name, by=visitor.name, kind="session", credential_id=hash_of(visitor.secret)[:12]
    )
    response = RedirectResponse("/login", 303)
    response.delete_cookie(COOKIE, httponly=True, samesite="strict")
    return response


@door.get("/static/palette.css")
def palette() -> Response:
    """The legend's colours: the content security policy allows no style on the page itself."""
    rules = (f".label-{value}{{background:rgb{colour_of(value)}}}" for value in range(1, 33))
    return Response(
        "\n".join(rules), media_type="text/css", headers={"Cache-Control": "private, max-age=600"}
    )


def _access(request: Request) -> Access:
    entrance: Entrance = request.app.state.entrance
    return entrance.access


def come_in(request: Request, secret: str, path: str = "/") -> Response:
    """To ``path``, with the cookie of a new session."""
    entrance: Entrance = request.app.state.entrance
    response = RedirectResponse(path, 303)
    response.set_cookie(
        COOKIE, secret, httponly=True, samesite="strict", secure=entrance.beyond_loopback,
        max_age=int(entrance.access.rules.lifetime("session").total_seconds()),
    )  # fmt: skip
    return response
