from __future__ import annotations

from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from components.acquisition.budget import Budget
from components.acquisition.embeddings import Embeddings
from components.acquisition.scorecards import Scorecards
from components.acquisition.strategies import STRATEGIES
from components.adapters.installed_strategies import GROUP, find_strategy
from components.errors import ParameterError

MODULE = """
def alphabet(scorecards, embeddings, budget, generator):
    return ()

def too_few(scorecards, budget):
    return ()

class Made:
    def __call__(self, scorecards, embeddings, budget, generator):
        return ()

made = Made()
nothing = 3
"""


@pytest.fixture(autouse=True)
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "users_strategies.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)


def point(name: str, what: str, module: str = "users_strategies") -> EntryPoint:
    return EntryPoint(name=name, value=f"{module}:{what}", group=GROUP)


def test_our_own_are_found_by_name() -> None:
    assert all(find_strategy(name, []) is strategy for name, strategy in STRATEGIES.items())


@pytest.mark.parametrize("what", ["alphabet", "made"])
def test_a_users_strategy_is_loaded_and_called(what: str) -> None:
    found = find_strategy("theirs", [point("theirs", what), point("broken", "gone")])
    space = Embeddings(patients=(), points_nd=np.zeros((0, 0)), labelled_md=np.zeros((0, 0)))
    pool = Scorecards(pool=pd.DataFrame(columns=["frame_id"]))
    assert found(pool, space, Budget(), np.random.default_rng()) == ()


def test_an_installed_package_is_seen(tmp_path: Path) -> None:
    """The metadata of an installed distribution, as pip writes it."""
    info = tmp_path / "users_strategies-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: users-strategies\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        f"[{GROUP}]\ntheirs = users_strategies:alphabet\nrandom = users_strategies:made\n"
    )
    assert find_strategy("theirs").__name__ == "alphabet"  # type: ignore[attr-defined]
    with pytest.raises(ParameterError, match="one from each of ctloop, users-strategies"):
        find_strategy("random")


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    with pytest.raises(ParameterError, match=r"failure_coverage, random, .*theirs, got 'mine'"):
        find_strategy("mine", [point("theirs", "alphabet")])


@pytest.mark.parametrize(
    ("points", "message"),
    [
        ([point("x", "alphabet"), point("x", "made")], "one strategy named 'x'"),
        ([point("x", "too_few")], r"\(scorecards, embeddings, budget, generator\)"),
        ([point("x", "Made")], r"\(scorecards, embeddings, budget, generator\)"),
        ([point("x", "nothing")], "got int"),
        ([point("x", "gone")], "AttributeError"),
        ([point("x", "f", "no_such_package")], "ModuleNotFoundError"),
    ],
)
def test_what_cannot_serve_is_refused(points: list[EntryPoint], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        find_strategy("x", points)
