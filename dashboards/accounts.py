"""Accounts: who has access (admins), and one's own tokens (everybody)."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, HTTPException, Request
from fastapi.responses import RedirectResponse
from starlette.responses import Response

from components.accounts.role import ROLE_WORDS, ROLES, role_named
from components.errors import BusyError, InputError
from components.operations.access_rules import as_text
from components.operations.give_access import Access
from dashboards.doors import come_in
from dashboards.table import Column, Table, View
from dashboards.views import Page, html
from dashboards.visitor import Visitor, needs

router = APIRouter(include_in_schema=False)


def accounts_view(request: Request) -> View:
    """Every user."""
    access = _access(request)
    rows = [
        {
            "name": user.name,
            "role": user.role,
            "state": "disabled" if user.disabled else "active" if user.password_hash else "invited",
            "created_at": user.created_at,
        }
        for user in access.store.users()
    ]
    table = Table(
        key="users",
        caption="People with access",
        columns=(
            Column(key="name", title="Name"),
            Column(key="role", title="Role"),
            Column(key="state", title="State", kind="state"),
            Column(key="created_at", title="Since (UTC)", kind="time"),
        ),
        rows=rows,
    )
    extra = {"roles": ROLES, "role_words": ROLE_WORDS}
    return View(title="Accounts", lead="Who may come in, and what they may do.", tables=(table,), extra=extra)


def account_view(request: Request) -> View:
    """The visitor's own tokens."""
    access, visitor = _access(request), _visitor(request)
    tokens = access.store.credentials("token", user=visitor.name, now=as_text(access.now()))
    rows = [
        {"id": t.id, "label": t.label, "role": t.role, "created_at": t.created_at, "expires_at": t.expires_at}
        for t in tokens
    ]
    table = Table(
        key="tokens",
        caption="Your tokens",
        columns=(
            Column(key="id", title="Id", kind="code"),
            Column(key="label", title="For"),
            Column(key="role", title="At most"),
            Column(key="created_at", title="Since (UTC)", kind="time"),
            Column(key="expires_at", title="Until (UTC)", kind="time"),
        ),
        rows=rows,
        empty="No program has a token of yours.",
    )
    roles = [role for role in ROLES if visitor.may(role)]
    extra = {
        "roles": roles, "least": access.rules.min_password, "changed": "changed" in request.query_params,
        "in_person": not visitor.by_program,
    }  # fmt: skip
    lead = f"You are {visitor.name}, role {visitor.role}: {ROLE_WORDS[visitor.role]}."
    return View(title="Your account", lead=lead, tables=(table,), extra=extra)


ACCOUNTS = Page(path="/accounts", view=accounts_view, menu="Accounts", role="admin", template="accounts.html")
ACCOUNT = Page(path="/account", view=account_view, template="account.html")


@router.post("/accounts", dependencies=needs("admin"))
def invite(
    request: Request, name: Annotated[str, Form()] = "", role: Annotated[str, Form()] = ""
) -> Response:
    try:
        secret = _access(request).invite(name.strip(), role_named(role), by=_visitor(request).name)
    except InputError as error:
        return html(request, ACCOUNTS, 422, refused=error)
    link = str(request.url.replace(path=f"/invitation/{secret}", query="", fragment=""))
    return html(request, ACCOUNTS, link=link, invited=name.strip())


@router.post("/accounts/{name}/role", dependencies=needs("admin"))
def change_role(request: Request, name: str, role: Annotated[str, Form()] = "") -> Response:
    _access(request).change_role(name, role_named(role), by=_visitor(request).name)
    return RedirectResponse("/accounts", 303)


@router.post("/accounts/{name}/disable", dependencies=needs("admin"))
def disable(request: Request, name: str) -> Response:
    _access(request).disable(name, by=_visitor(request).name)
    return RedirectResponse("/accounts", 303)


@router.post("/account/tokens", dependencies=needs("viewer"))
def issue_token(
    request: Request, label: Annotated[str, Form()] = "", role: Annotated[str, Form()] = ""
) -> Response:
    access, visitor = _access(request), _in_person(request)
    try:
        secret = access.issue_token(visitor.name, label=label, role=role_named(role), by=visitor.name)
    except InputError as error:
        return html(request, ACCOUNT, 422, refused=error)
    return html(request, ACCOUNT, secret=secret)


@router.post("/account/tokens/{token}/revoke", dependencies=needs("viewer"))
def revoke_token(request: Request, token: str) -> Response:
    access, visitor = _access(request), _visitor(request)
    if not access.store.drop_credentials(
        user=visitor.name, by=visitor.name, kind="token", credential_id=token
    ):
        raise HTTPException(404, "You have no such token.")
    return RedirectResponse("/account", 303)


@router.post("/account/password", dependencies=needs("viewer"))
def change_password(
    request: Request, old: Annotated[str, Form()] = "", new: Annotated[str, Form()] = ""
) -> Response:
    visitor = _in_person(request)
    address = request.client.host if request.client else "here"
    try:
        secret = _access(request).change_password(visitor.name, old, new, address=address)
    except BusyError as error:
        return html(request, ACCOUNT, 429, refused=error)
    except InputError as error:
        return html(request, ACCOUNT, 422, refused=error)
    return come_in(request, secret, "/account?changed=1")


def _access(request: Request) -> Access:
    access: Access = request.app.state.entrance.access
    return access


def _visitor(request: Request) -> Visitor:
    visitor: Visitor = request.state.visitor
    return visitor


def _in_person(request: Request) -> Visitor:
    """A token must make no tokens and set no password: it would outlive its own end."""
    visitor = _visitor(request)
    if visitor.by_program:
        raise HTTPException(403, "Only a person who is logged in does this.")
    return visitor
