"""A bundle's packages are there for it alone, from sources only."""

from __future__ import annotations

import importlib
import py_compile
import sys
from pathlib import Path

import pytest

from components.adapters.bundle_scripts import scripts_of
from components.errors import TeacherError


def bundle(folder: Path, value: int, package: str = "scripts") -> Path:
    (folder / package / "inner").mkdir(parents=True)
    (folder / package / "__init__.py").write_text("")
    (folder / package / "value.py").write_text(f"value = {value}\n")
    (folder / package / "inner" / "__init__.py").write_text("from ..value import value\n")
    return folder


def test_two_bundles_have_their_own_scripts(tmp_path: Path) -> None:
    first, second = (scripts_of(bundle(tmp_path / str(n), n)) for n in (1, 2))
    found = []
    for one in (first, second, first):
        with one.importable():
            found.append(importlib.import_module("scripts.inner"))
    assert [module.value for module in found] == [1, 2, 1]
    assert found[0] is found[2]
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("scripts")


def test_a_folder_without_init_is_a_package_too(tmp_path: Path) -> None:
    folder = bundle(tmp_path, 1)
    (folder / "scripts" / "__init__.py").unlink()
    (folder / "scripts" / "deep").mkdir()
    (folder / "scripts" / "deep" / "two.py").write_text("value = 2\n")
    with scripts_of(folder).importable():
        assert importlib.import_module("scripts.value").value == 1
        assert importlib.import_module("scripts.deep.two").value == 2
    assert not [name for name in sys.modules if name.startswith("scripts")]


def test_modules_come_back_after_a_failure(tmp_path: Path) -> None:
    mine = scripts_of(bundle(tmp_path, 1))
    with pytest.raises(ModuleNotFoundError, match="no_such"), mine.importable():
        importlib.import_module("scripts.value") and importlib.import_module("scripts.no_such")
    assert not [name for name in sys.modules if name.startswith("scripts")]
    with mine.importable():
        assert "scripts.value" in sys.modules


def test_cached_bytecode_is_not_run(tmp_path: Path) -> None:
    """The trusted hash covers sources; a cache beside them that says something else must not count."""
    folder = bundle(tmp_path, 1)
    source = folder / "scripts" / "value.py"
    forged = tmp_path / "forged.py"
    forged.write_text("value = 666\n")
    cache = Path(importlib.util.cache_from_source(str(source)))
    py_compile.compile(
        str(forged), cfile=str(cache), invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH
    )
    with scripts_of(folder).importable():
        assert importlib.import_module("scripts.value").value == 1


def test_without_packages_nothing_is_touched(tmp_path: Path) -> None:
    (tmp_path / "configs").mkdir()
    before = list(sys.meta_path)
    with scripts_of(tmp_path).importable():
        assert sys.meta_path == before


@pytest.mark.parametrize("package", ["json", "torch", "components", "nibabel"])
def test_packages_that_hide_others_are_refused(tmp_path: Path, package: str) -> None:
    with pytest.raises(TeacherError, match=f"'{package}' that hides another"):
        scripts_of(bundle(tmp_path, 1, package))
