"""Who is asking, and what a route asks of them: every route but the doors names the role that it needs."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.routing import APIRoute

from components.accounts.role import Role, may

_SAFE_METHODS = ("GET", "HEAD", "OPTIONS")


@dataclass(frozen=True, kw_only=True)
class Visitor:
    """A person in a browser, or a program with a token, for the time of one request.

    Args:
        name: of the user; answers and decisions are entered under it.
        role: what may be done, see ``components.accounts.role``.
        by_program: it sent a token: no browser sends that by itself, so nothing can be forged.
        secret: of the session.
    """

    name: str
    role: Role
    by_program: bool
    secret: str = field(repr=False)

    @property
    def form_secret(self) -> str:
        """What the session's forms carry, so that no other site can send them."""
        return hmac.new(self.secret.encode(), b"ctloop form", hashlib.sha256).hexdigest()

    def may(self, needed: Role) -> bool:
        """Whether the role includes ``needed``."""
        return may(self.role, needed)


@dataclass(frozen=True)
class Needs:
    """A dependency of a route: the visitor's role, and for what changes something the form's secret."""

    role: Role

    async def __call__(self, request: Request) -> None:
        visitor: Visitor = request.state.visitor
        if not visitor.may(self.role):
            raise HTTPException(403, f"This needs the role {self.role}; you are {visitor.role}.")
        if request.method not in _SAFE_METHODS and not visitor.by_program:
            sent = request.headers.get("x-ctloop-form") or (await request.form()).get("form_secret") or ""
            if not isinstance(sent, str) or not same(sent, visitor.form_secret):
                raise HTTPException(
                    403, "The form is out of date. Load the page again and send it once more."
                )


def needs(role: Role) -> list[Any]:
    """For ``dependencies=`` of a route."""
    return [Depends(Needs(role))]


def same(one: str, two: str) -> bool:
    """Compare in constant time."""
    return hmac.compare_digest(one.encode(), two.encode())


def role_of(route: APIRoute) -> Role | None:
    """The role that a route names."""
    named = [d.dependency.role for d in route.dependencies if isinstance(d.dependency, Needs)]
    return named[-1] if named else None


def routes_of(app: FastAPI) -> Iterator[APIRoute]:
    """Every route of the application, those of included routers too."""
    for route in app.routes:
        for inner in getattr(getattr(route, "original_router", None), "routes", [route]):
            if isinstance(inner, APIRoute):
                yield inner
