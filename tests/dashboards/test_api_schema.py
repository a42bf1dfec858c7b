"""What schemathesis makes of the running application's OpenAPI document: no answer is an error of ours."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode

from components.accounts.role import ROLES, Role
from tests.dashboards.desk_server import NAMES
from tests.dashboards.lived_workspace import BATCH, lived_app
from tests.dashboards.test_answering_page_browser import serving
from tests.pipelines.answering_workspace import CHEST_REQUEST

pytestmark = pytest.mark.slow
_EXAMPLES = 3
_BOUNDED = settings(
    max_examples=_EXAMPLES, derandomize=True, database=None, deadline=None, phases=(Phase.explicit, Phase.generate),
    suppress_health_check=list(HealthCheck),
)  # fmt: skip


KNOWN = {
    "request_id": CHEST_REQUEST.id, "task": "segmentation", "version": "3", "batch": BATCH, "case": "heart-07",
    "table": "requests",
}  # fmt: skip


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, str]]:
    app, _, store = lived_app(tmp_path_factory.mktemp("lived"))
    with serving(app) as address:
        yield app, address
    store.close()


def token(app: Any, role: Role) -> str:
    access = app.state.entrance.access
    return str(access.issue_token(NAMES[role], label="schemathesis", role=role, by=NAMES[role]))


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("mode", list(GenerationMode))
def test_nothing_that_the_document_allows_or_forbids_is_an_error_of_ours(
    site: tuple[Any, str], role: Role, mode: GenerationMode
) -> None:
    app, address = site
    headers = {"Authorization": f"Bearer {token(app, role)}"}
    schema = schemathesis.openapi.from_url(f"{address}/api/openapi.json", headers=headers)
    asked = 0

    for found in schema.get_all_operations():
        operation = found.ok()
        if mode is GenerationMode.NEGATIVE and not (operation.body.items or operation.query.items):
            continue  # any text is a path: there is nothing that the document forbids

        @_BOUNDED
        @given(case=operation.as_strategy(generation_mode=mode))
        def ask(case: Any) -> None:
            nonlocal asked
            asked += 1
            if asked % 2:  # any text is a name, but few names are of something
                known = {key: value for key, value in KNOWN.items() if key in case.path_parameters}
                case.path_parameters.update(known)
            reply = case.call(base_url=address, headers=headers, timeout=20)
            assert reply.status_code < 500, (case.as_curl_command(), reply.text[:300])

        ask()
    assert asked >= (80 if mode is GenerationMode.POSITIVE else 3 * _EXAMPLES)
