from __future__ import annotations

import pytest

from components.accounts.role import ROLES, lesser, may, role_named
from components.errors import ParameterError


def test_roles_include_the_ones_before() -> None:
    assert [[may(one, needed) for needed in ROLES] for one in ROLES] == [
        [True, False, False, False],
        [True, True, False, False],
        [True, True, True, False],
        [True, True, True, True],
    ]
    assert lesser("admin", "annotator") == "annotator"
    with pytest.raises(ParameterError, match="viewer, annotator, engineer, admin"):
        role_named("root")
