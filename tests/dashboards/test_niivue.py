"""The viewer's library, from the package that carries it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from components.errors import StateError
from dashboards import niivue


@pytest.fixture(autouse=True)
def fresh() -> None:
    niivue.niivue_module.cache_clear()


def test_it_is_the_module_whose_hash_is_known() -> None:
    module = niivue.niivue_module()
    assert hashlib.sha256(module).hexdigest() == niivue.SHA256
    assert b"Niivue," in module[-400:]


def test_another_library_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ipyniivue" / "static").mkdir(parents=True)
    widget = tmp_path / "ipyniivue" / "static" / "widget.js"

    class Installed:
        def locate_file(self, path: str) -> Path:
            return tmp_path / path

    monkeypatch.setattr("importlib.metadata.distribution", lambda name: Installed())
    with pytest.raises(StateError, match="got none"):
        niivue.niivue_module()
    widget.write_text('var a="steal%28%29%3Bexport%7BNiivue%7D%3B";')
    with pytest.raises(StateError, match="make install"):
        niivue.niivue_module()
    assert niivue._whole_module(widget.read_text()) == "steal();export{Niivue};"
    assert niivue._whole_module("nothing") == ""
