from __future__ import annotations

import pytest

from components.errors import ParameterError
from components.registry.model_reference import ModelReference, parse_model_reference

RUN = "0123456789abcdef" * 2


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "models:/ctloop-segmentation@champion",
            ModelReference(name="ctloop-segmentation", alias="champion"),
        ),
        ("ctloop-segmentation@human", ModelReference(name="ctloop-segmentation", alias="human")),
        ("models:/a.b_c/3", ModelReference(name="a.b_c", version=3)),
        ("name/12", ModelReference(name="name", version=12)),
        (f"runs:/{RUN}/model", ModelReference(run_id=RUN)),
        (f"runs:/{RUN}", ModelReference(run_id=RUN)),
    ],
)
def test_the_known_forms(text: str, expected: ModelReference) -> None:
    assert parse_model_reference(text) == expected


@pytest.mark.parametrize(
    "text",
    ["", "champion", "models:/name", "models:/name/latest", "runs:/../x", "s3://bucket/model", "a b@c"],
)
def test_other_forms_are_refused(text: str) -> None:
    with pytest.raises(ParameterError, match="models:/NAME@ALIAS"):
        parse_model_reference(text)
