"""Scripts of pages, from the packages that carry them."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

from components.errors import StateError
from dashboards.installed_scripts import SCRIPTS, content_of, whole_module


@pytest.mark.parametrize(
    ("name", "ends"), [("niivue.js", "ColorTables as colortables};"), ("htmx.js", "}()")]
)
def test_it_is_the_script_whose_hash_is_known(name: str, ends: str) -> None:
    content = content_of(SCRIPTS[name])
    assert hashlib.sha256(content).hexdigest() == SCRIPTS[name].sha256
    assert ends in content.decode()[-400:]


def test_the_module_is_taken_out_of_the_widget() -> None:
    assert whole_module('var a="steal%28%29%3Bexport%7BNiivue%7D%3B";') == "steal();export{Niivue};"
    assert whole_module("nothing") == ""


@pytest.mark.parametrize("name", SCRIPTS)
def test_another_script_is_refused(name: str) -> None:
    with pytest.raises(StateError, match="make install"):
        content_of(replace(SCRIPTS[name], sha256="0" * 64))
    with pytest.raises(StateError, match="got none"):
        content_of(replace(SCRIPTS[name], file="not/there.js"))


def test_a_package_that_is_not_installed_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def missing(name: str) -> Path:
        raise PackageNotFoundError(name)

    monkeypatch.setattr("dashboards.installed_scripts.distribution", missing)
    with pytest.raises(StateError, match="got none"):
        content_of(replace(SCRIPTS["htmx.js"], sha256="1" * 64))
