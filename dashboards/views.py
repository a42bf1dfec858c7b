"""One mechanism for every page of tables: as HTML, as JSON, and each table as CSV, behind the same role."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from fastapi import APIRouter, HTTPException, Request
from starlette.responses import JSONResponse, Response

from components.accounts.role import Role
from dashboards.rendering import page
from dashboards.table import View, query_of
from dashboards.visitor import needs

# which rows, of tables that are shown a page at a time; numbers that make no sense are the nearest that do
_ROWS = {
    "parameters": [
        {"name": name, "in": "query", "schema": {"type": "integer", "minimum": least}}
        for name, least in (("offset", 0), ("limit", 1))
    ]
}


@dataclass(frozen=True, kw_only=True)
class Page:
    """A page at ``path`` for ``role``; ``view`` makes its content for a request (see ``dashboards.table``).

    ``menu`` is its name there, empty for pages that are reached from others. Path parameters are in
    ``request.path_params``. ``headers`` of the page go before those that all pages have.
    """

    path: str
    view: Callable[[Request], View]
    menu: str = ""
    role: Role = "viewer"
    template: str = "view.html"
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def api(self) -> str:
        """Where its JSON is."""
        return f"/api/pages{self.path if self.path != '/' else '/overview'}"


def routes_for(pages: Sequence[Page]) -> APIRouter:
    """``PATH``, ``/api/pages/PATH`` and ``/api/pages/PATH/tables/KEY.csv`` of each."""
    router = APIRouter()
    for one in pages:
        router.add_api_route(
            one.path, partial(_html, one), dependencies=needs(one.role), methods=["GET"],
            include_in_schema=False, name=f"page {one.path}",
        )  # fmt: skip
        router.add_api_route(
            one.api, partial(_json, one), dependencies=needs(one.role), methods=["GET"],
            response_class=JSONResponse, name=f"{one.path} as JSON", response_model=None, openapi_extra=_ROWS,
        )  # fmt: skip
        router.add_api_route(
            f"{one.api}/tables/{{table}}.csv", partial(_csv, one), dependencies=needs(one.role),
            methods=["GET"], response_class=Response, name=f"a table of {one.path} as CSV", response_model=None,
            openapi_extra=_ROWS,
        )  # fmt: skip
    return router


def html(request: Request, one: Page, code: int = 200, **values: object) -> Response:
    """The page, with what its template gets beside the view."""
    view = one.view(request)
    params = dict(request.query_params)
    params.pop("limit", None)
    data = one.api.format(**request.path_params)
    reply = page(
        request, one.template, code, view=view, params=params, limit=query_of(request.query_params).limit,
        data=data, **{**view.extra, **values},
    )  # fmt: skip
    reply.headers.update(one.headers)
    return reply


def _html(one: Page, request: Request) -> Response:
    return html(request, one)


def _json(one: Page, request: Request) -> Response:
    return JSONResponse(one.view(request).as_json())


def _csv(one: Page, request: Request, table: str) -> Response:
    found = one.view(request).table(table)
    if found is None:
        raise HTTPException(404, "There is no such table.")
    headers = {"Content-Disposition": f'attachment; filename="{found.key}.csv"'}
    return Response(found.as_csv(), media_type="text/csv; charset=utf-8", headers=headers)
