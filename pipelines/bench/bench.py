"""What a benchmark is, and what it leaves: one JSON object on standard output and one PNG."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

from components.cohort.task import Task
from components.errors import ParameterError
from pipelines.bench.claims import Claim
from pipelines.progress import say

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Size = Literal["small", "full"]


@dataclass(frozen=True, kw_only=True, eq=False)
class BenchRequest:
    """Args:
    seeds: one or more; every random choice follows from one of them.
    size: ``small`` fits in 20 minutes per seed on 2 cores, ``full`` is for a GPU.
    out: folder for what the benchmark keeps beside its picture.
    task: for a benchmark of either task.
    """

    seeds: tuple[int, ...]
    size: Size
    out: Path
    task: Task = "segmentation"


@dataclass(frozen=True, kw_only=True, eq=False)
class BenchResult:
    """Claims in the order in which they are stated; JSON-able tables; one picture."""

    claims: Sequence[Claim]
    tables: Mapping[str, Any]
    figure: Figure


Bench = Callable[[BenchRequest], BenchResult]


def size_of(text: str) -> Size:
    """``small`` or ``full``; ``ParameterError`` for anything else."""
    for size in get_args(Size):
        if text == size:
            return cast(Size, size)
    raise ParameterError(expected="size small or full", got=repr(text), hint="--size small")


def run_bench(name: str, bench: Bench, request: BenchRequest, *, root: Path) -> bool:
    """Run ``bench``, write ``NAME.json`` and ``NAME.png`` to ``out``, print the object; whether all claims hold.

    Whatever the benchmark's libraries print goes to standard error: standard output holds the object only.
    """
    from pipelines.figures.canvas import save

    request.out.mkdir(parents=True, exist_ok=True)
    with _standard_output_is_standard_error():
        result = bench(request)
    tree = {
        "bench": name,
        "seeds": list(request.seeds),
        "size": request.size,
        "commit": commit(root),
        "machine": machine(),
        "claims": [claim.as_json() for claim in result.claims],
        "tables": dict(result.tables),
    }
    text = json.dumps(tree, indent=1) + "\n"
    save(result.figure, request.out / f"{name}.png")
    (request.out / f"{name}.json").write_text(text)
    sys.stdout.write(text)
    for claim in result.claims:
        shown = claim.as_json()
        say(f"{'holds ' if claim.holds else 'FAILS '} {claim.id} = {shown['measured']} ({shown['bound']})")
    say(f"picture: {request.out / name}.png")
    return all(claim.holds for claim in result.claims)


def commit(root: Path) -> str:
    """The code's commit, with ``+changes`` when the tree differs from it, or ``unknown`` outside git."""
    head = subprocess.run(("git", "rev-parse", "HEAD"), cwd=root, capture_output=True, text=True, check=False)
    if head.returncode:
        return "unknown"
    dirty = subprocess.run(
        ("git", "status", "--porcelain", "--untracked-files=no"),
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    return head.stdout.strip() + ("+changes" if dirty.stdout.strip() else "")


def machine() -> dict[str, Any]:
    """What a ratio may depend on; no name of the machine."""
    import psutil
    import torch

    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(psutil.virtual_memory().total / 2**30),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "bf16": bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()),
        "torch": torch.__version__.split("+")[0],
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
    }


def _processor() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


@contextlib.contextmanager
def _standard_output_is_standard_error() -> Iterator[None]:
    """For Python's and for native code's output, which writes to the descriptor."""
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        sys.stdout.flush()
        os.dup2(kept, 1)
        os.close(kept)
