"""A benchmark leaves one object on standard output, one picture, and says whether its claims hold."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from components.errors import ParameterError
from pipelines.bench.bench import BenchRequest, BenchResult, run_bench
from pipelines.bench.claims import Claim
from pipelines.bench.registry import BENCHES, load_bench, seeds_of
from pipelines.figures.canvas import new_figure

ROOT = Path(__file__).parents[3]


def talkative(request: BenchRequest) -> BenchResult:
    print("a library's chatter")
    os.write(1, b"native chatter\n")
    claim = Claim(id="seed", measured=float(request.seeds[0]), relation=">=", bound=1.0)
    return BenchResult(claims=[claim], tables={"rows": [1, 2]}, figure=new_figure(1, 1))


@pytest.mark.parametrize(("seed", "holds"), [(0, False), (1, True)])
def test_standard_output_holds_the_object_only(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], seed: int, holds: bool
) -> None:
    request = BenchRequest(seeds=(seed,), size="small", out=tmp_path / "out")
    assert run_bench("talk", talkative, request, root=ROOT) is holds
    shown = capfd.readouterr()
    tree = json.loads(shown.out)
    assert list(tree) == ["bench", "seeds", "size", "commit", "machine", "claims", "tables"]
    assert (tree["bench"], tree["seeds"], tree["tables"]) == ("talk", [seed], {"rows": [1, 2]})
    assert tree["claims"] == [{"id": "seed", "measured": seed, "bound": ">= 1", "holds": holds}]
    assert "a library's chatter" in shown.err
    assert "native chatter" in shown.err
    assert (tmp_path / "out" / "talk.json").read_text() == shown.out
    assert (tmp_path / "out" / "talk.png").read_bytes().startswith(b"\x89PNG")


def test_seeds() -> None:
    assert seeds_of("3") == (3,)
    assert seeds_of("1,2,5") == (1, 2, 5)
    for wrong in ("", "a", "1,1", "-1", "1.5"):
        with pytest.raises(ParameterError, match="different seeds"):
            seeds_of(wrong)


def test_unknown_bench_names_the_nearest() -> None:
    with pytest.raises(ParameterError, match="a benchmark among"):
        load_bench("no such bench")


@pytest.mark.parametrize("name", BENCHES)
def test_every_bench_can_be_loaded(name: str) -> None:
    assert callable(load_bench(name))
