"""A bundle's own Python packages (``scripts/``), importable for this bundle alone and only while it works.

Nothing is added to ``sys.path``: a finder that knows the bundle's packages and no others stands in
``sys.meta_path`` during a call, and the modules leave ``sys.modules`` with it. Two bundles may both have a
package ``scripts``. Cached bytecode is neither read nor written: the trusted hash covers sources only.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.machinery import FileFinder, ModuleSpec, SourceFileLoader
from importlib.metadata import packages_distributions
from pathlib import Path
from types import CodeType, ModuleType

from components.errors import TeacherError

_OURS = ("components", "pipelines", "dashboards")
_ONE_BUNDLE_AT_A_TIME = threading.RLock()


class _SourceOnly(SourceFileLoader):
    """Compiles the source file, whatever a ``__pycache__`` holds."""

    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        return self.source_to_code(self.get_data(path), path)


@dataclass(frozen=True, eq=False)
class _Finder:
    folder: Path
    packages: frozenset[str]

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The importing protocol's call; ``None`` for whatever is not the bundle's."""
        if fullname.partition(".")[0] not in self.packages:
            return None
        for place in [str(self.folder)] if path is None else path:
            spec = FileFinder(place, (_SourceOnly, [".py"])).find_spec(fullname)
            if spec is not None and (spec.loader is not None or spec.submodule_search_locations):
                return spec
        return None


@dataclass(frozen=True, eq=False)
class BundleScripts:
    """The packages of one bundle; made by ``scripts_of``."""

    finder: _Finder
    _modules: dict[str, ModuleType] = field(default_factory=dict)

    @contextmanager
    def importable(self) -> Iterator[None]:
        """Within the block the bundle's packages can be imported; what was loaded earlier is found again."""
        if not self.finder.packages:
            yield
            return
        with _ONE_BUNDLE_AT_A_TIME:
            hidden = self._take_out()
            sys.modules.update(self._modules)
            sys.meta_path.insert(0, self.finder)
            try:
                yield
            finally:
                sys.meta_path.remove(self.finder)
                self._modules.update(self._take_out())
                sys.modules.update(hidden)

    def _take_out(self) -> dict[str, ModuleType]:
        names = [name for name in sys.modules if name.partition(".")[0] in self.finder.packages]
        return {name: sys.modules.pop(name) for name in names}


def scripts_of(folder: Path) -> BundleScripts:
    """The Python packages at the root of a trusted bundle.

    A folder is a package with or without ``__init__.py``, as Python has it.
    Raises ``TeacherError`` for a package that would stand in for one of Python's, ctloop's or an installed one.
    """
    packages = {path.name for path in folder.iterdir() if path.is_dir() and any(path.rglob("*.py"))}
    installed = packages_distributions() if packages else {}
    shadowed = packages & {*_OURS, *sys.stdlib_module_names, *installed}
    if shadowed:
        raise TeacherError(
            expected="packages of the bundle's own, such as scripts/",
            got=f"a package {sorted(shadowed)[0]!r} that hides another",
            hint="the bundle as it was published",
        )
    return BundleScripts(_Finder(folder, frozenset(packages)))
