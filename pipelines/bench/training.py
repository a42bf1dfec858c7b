"""``ctloop bench training``: how fast crops reach the network, from what disk and in what memory."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipelines.bench.bench import BenchRequest, BenchResult, Size
from pipelines.bench.claims import Claim
from pipelines.progress import say

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Rates = dict[str, list[float]]


@dataclass(frozen=True, kw_only=True)
class _Sizes:
    side: int = 192
    distinct: int = 4
    few: int = 20
    many: int = 200
    rounds: int
    seconds: float
    crops: int


_SIZES: Mapping[Size, _Sizes] = {
    "small": _Sizes(rounds=5, seconds=3.0, crops=600),
    "full": _Sizes(distinct=20, rounds=11, seconds=10.0, crops=2000),
}


def bench(request: BenchRequest) -> BenchResult:
    """Crops per second against MONAI and nnU-Net, memory at 20 and 200 volumes, and disk."""
    sizes = _SIZES[request.size]
    rates: Rates = {}
    disks, memories = [], []
    for seed in request.seeds:
        with tempfile.TemporaryDirectory(prefix="ctloop-bench-") as folder:
            disk, memory = _measure(Path(folder), seed, sizes, rates)
        disks.append(disk)
        memories.append(memory)
    disk = {name: float(np.mean([one[name] for one in disks])) for name in disks[0]}
    memory = {name: float(np.mean([one[name] for one in memories])) for name in memories[0]}
    tables = {
        "sizes": _said(sizes),
        "crops_per_second": {name: _spread(values) for name, values in rates.items()},
        "ours_over": {name: _spread(_ratios(rates, name)) for name in rates if name != "ours"},
        "disk_mb_per_volume": {name: round(mb, 2) for name, mb in disk.items()},
        "peak_memory_mb": {name: round(mb) for name, mb in memory.items()},
        "network_alone": _network_alone(request.seeds[0]),
    }
    return BenchResult(
        claims=_claims(rates, disk, memory), tables=tables, figure=_draw(rates, disk, memory, sizes)
    )


def _claims(rates: Rates, disk: Mapping[str, float], memory: Mapping[str, float]) -> list[Claim]:
    few, many = memory.values()

    def over(name: str) -> float:
        return float(np.median(_ratios(rates, name)))

    return [
        Claim(id="crops_per_second_vs_persistent", measured=over("persistent"), relation=">=", bound=5.0),
        Claim(id="crops_per_second_vs_blosc2", measured=over("nnU-Net's blosc2"), relation=">=", bound=1.0),
        Claim(id="rss_growth_20_to_200_volumes", measured=many / few, relation="<=", bound=1.1),
        Claim(id="disk_vs_nifti_gz", measured=disk["ours"] / disk["nii.gz"], relation="<=", bound=1.3),
    ]


def _measure(
    folder: Path, seed: int, sizes: _Sizes, rates: Rates
) -> tuple[dict[str, float], dict[str, float]]:
    """Rounds are added to ``rates``; disk in MB per volume and peak memory in MB are returned."""
    from pipelines.bench.training_contenders import contenders
    from pipelines.bench.training_data import copies, megabytes, store_volumes
    from pipelines.bench.training_speed import crops_per_second, peak_memory_mb

    say(f"seed {seed}: volumes")
    distinct = store_volumes(folder / "distinct", seed=seed, distinct=sizes.distinct, side=sizes.side)
    few = copies(distinct, sizes.few, folder / "few")
    compared = contenders(few, seed, folder / "monai")
    caches = {name: folder / "monai" / name for name in ("plain", "with-indices")}
    disk = {
        "ours": megabytes([path for v in distinct for path in v.ours]) / len(distinct),
        "nii.gz": megabytes([path for v in distinct for path in v.nifti]) / len(distinct),
        "nnU-Net's blosc2": megabytes([path for v in distinct for path in v.nnunet]) / len(distinct),
        "persistent": megabytes(list(caches["plain"].iterdir())) / len(few),
        "persistent, indices": megabytes(list(caches["with-indices"].iterdir())) / len(few),
    }
    for number in range(sizes.rounds):
        for name, (crops, data) in compared.items():
            rates.setdefault(name, []).append(crops_per_second(data(), crops, seconds=sizes.seconds))
        say(f"seed {seed}: round {number + 1}/{sizes.rounds}, ours {rates['ours'][-1]:.0f} crops/s")
    many = copies(distinct, sizes.many, folder / "many", only_ours=True)
    memory = {
        f"{len(volumes)} volumes": peak_memory_mb(volumes, seed, crops=sizes.crops) for volumes in (few, many)
    }
    return disk, memory


def _network_alone(seed: int) -> dict[str, float]:
    """Crops per second that training takes when no data have to be waited for: the demo's network, this machine."""
    import torch

    from components.models.fit import seeded
    from components.models.segmentation import SegmentationModule
    from components.models.unet import UNet
    from pipelines.bench.training_contenders import PATCH, plan
    from pipelines.bench.training_speed import BATCH

    network = seeded(lambda: UNet(plan(seed).network(7)), seed)
    module = SegmentationModule(network, rate=0.01, weight_decay=0.0, steps=10)
    generator = torch.Generator().manual_seed(seed)
    image = torch.rand((BATCH, 1, *PATCH), generator=generator)
    target = torch.randint(0, 8, (BATCH, *PATCH), generator=generator, dtype=torch.uint8)
    optimiser = module.configure_optimizers()["optimizer"]
    times = []
    for step in range(3):
        start = time.perf_counter()
        loss = module.training_step((image, target, torch.ones(BATCH, network.config.heads)), step)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        optimiser.zero_grad()
        times.append(time.perf_counter() - start)
    return {"crops_per_second": round(BATCH / float(np.median(times)), 3)}


def _ratios(rates: Rates, name: str) -> list[float]:
    """Round by round, so that a busy machine slows both."""
    return [a / b for a, b in zip(rates["ours"], rates[name], strict=True)]


def _spread(values: Sequence[float]) -> dict[str, float]:
    low, middle, high = np.percentile(values, (0, 50, 100))
    return {"median": round(float(middle), 3), "min": round(float(low), 3), "max": round(float(high), 3)}


def _said(sizes: _Sizes) -> dict[str, Any]:
    return {
        "volumes": f"{sizes.side}³ int16, {sizes.distinct} phantoms; the others are copies in files of their own",
        "few": sizes.few,
        "many": sizes.many,
        "crops": "96³ with labels, one per visit of a volume unless said, batches of 2, two workers",
        "augmentation": "the same functions for all: mirror, contrast, brightness",
        "rounds": f"{sizes.rounds} per seed, contenders in turn, {sizes.seconds:g} s each; medians of ratios by round",
        "machine": "may have been busy with other work; files in the disk's cache",
        "speed": f"at {sizes.few} volumes, for all contenders",
    }


def _draw(rates: Rates, disk: Mapping[str, float], memory: Mapping[str, float], sizes: _Sizes) -> Figure:
    from pipelines.figures.canvas import COLOURS, new_figure

    figure = new_figure(11.0, 3.6)
    figure.subplots_adjust(left=0.19, right=0.98, top=0.86, bottom=0.16, wspace=0.8)
    left, middle, right = figure.subplots(1, 3, width_ratios=(1.4, 1.2, 0.8))
    names = list(rates)
    medians = [float(np.median(rates[name])) for name in names]
    spread = [[m - min(rates[n]) for n, m in zip(names, medians, strict=True)],
              [max(rates[n]) - m for n, m in zip(names, medians, strict=True)]]  # fmt: skip
    left.barh(names, medians, xerr=spread, color=[COLOURS[2 if name == "ours" else 5] for name in names])
    left.set_title(f"crops of 96³ per second, {sizes.few} volumes", fontsize=10)
    left.set_xlabel("median, lowest and highest round")
    middle.barh(list(disk), list(disk.values()), color=[COLOURS[2 if n == "ours" else 5] for n in disk])
    middle.set_title(f"MB on disk per {sizes.side}³ with labels", fontsize=10)
    right.bar([name.split()[0] for name in memory], list(memory.values()), color=COLOURS[2], width=0.6)
    right.set_xlabel("volumes")
    right.set_title("ours: peak MB", fontsize=10)
    for axes in (left, middle):
        axes.invert_yaxis()
        axes.grid(axis="x", alpha=0.3)
    return figure
