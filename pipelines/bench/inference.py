"""Inference: our predictor against MONAI's sliding window with the same weights, windows, overlap and threads.

The network is the project's U-Net at full resolution, 16 to 256 channels, 6.8 million parameters, in windows of 64³
voxels of 2 mm. Speed and masks: scans of 112³ inside the chest, eight windows, none of which is skipped. MONAI gets
the memory format and the windows per batch that are fastest, inference mode, and only scores and argmax to do; ours
answers a whole ``predict`` call. Cine: ten phases, 400 mm wide (most of it without heart) and, beside it, on the
tight view of the scans, where little can be skipped.
"""

from __future__ import annotations

import dataclasses
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from components.cohort.structures import HEART_LABELS
from components.metrics.overlap import dice_per_structure
from components.models.native_bfloat16 import native_bfloat16
from components.models.openvino_core import Number
from components.models.training_plan import Augmentation, SegmentationPlan
from components.phantom.cardiac import TEN_PHASES
from components.scorecard.temporal_smoothing import TemporalSmoothing
from components.volume.volume import LabelMap, Volume
from pipelines.bench.bench import BenchRequest, BenchResult
from pipelines.bench.claims import Claim, Relation
from pipelines.bench.inference_cine import CineResult, compare_cine, judge_cine
from pipelines.bench.inference_contenders import (
    OVERLAP,
    PRECISIONS,
    Mask,
    MonaiSettings,
    best_monai,
    monai_masks,
    our_masks,
)
from pipelines.bench.inference_memory import peak_rise_mib
from pipelines.bench.inference_network import Recipe, Trained, patient, train
from pipelines.progress import say

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from components.models.segmentation_predictor import SegmentationPredictor

# Little augmentation: the students of these benches meet one scanner only.
EASY = Augmentation(scale=0.1, rotation_degrees=5.0, contrast=0.05, brightness=0.02, noise=0.02, blur=0.0)
# The deepest grid of a patch is 4³: at 2³ oneDNN's bfloat16 weight gradients are NaN (torch 2.13, AVX-512 bf16).
# The training phantoms are wide, so that the network knows what is not a heart.
NETWORK = Recipe(
    plan=SegmentationPlan(
        patch=(64, 64, 64), widths=(16, 32, 64, 128, 256), stem_stride=1, heads=1, head_share=1.0, batch_size=1,
        steps_per_epoch=20, epochs=24, learning_rate=5e-3, foreground_share=0.6, augmentation=EASY,
    ),
    window=(64, 64, 64), shape=(112, 168, 168), spacing_mm=2.0, patients=10,
)  # fmt: skip
SCAN = (112, 112, 112)
ROUNDS = 5  # each on a patient of its own
WIDE, TIGHT = (112, 200, 200), (112, 112, 112)
BOUNDS: dict[str, tuple[Relation, float]] = {
    "speed_same_precision": (">=", 1.5),
    "speed_ours_best_vs_monai_fp32": (">=", 3.5),
    "min_structure_dice_vs_fp32_masks": (">=", 0.999),
    "peak_memory_vs_monai": ("<=", 0.6),
    "cine_speed_vs_frame_by_frame": (">=", 1.3),
}
Seconds = dict[str, list[float]]
Dice = dict[str, float]


def bench(request: BenchRequest) -> BenchResult:
    """All seeds: medians of ratios, and the worst mask of all."""
    rows = {
        seed: _seed(seed, rounds=ROUNDS if request.size == "small" else 3 * ROUNDS) for seed in request.seeds
    }
    claims = []
    for name, (relation, bound) in BOUNDS.items():
        values = [row["claims"][name] for row in rows.values()]
        worst = name == "min_structure_dice_vs_fp32_masks"
        measured = float(min(values) if worst else np.median(values))
        claims.append(Claim(id=name, measured=measured, relation=relation, bound=bound))
    tables = {str(seed): row for seed, row in rows.items()}
    return BenchResult(claims=claims, tables=tables, figure=_figure(claims, list(rows.values())))


def _seed(seed: int, *, rounds: int) -> dict[str, Any]:
    trained = train(NETWORK, seed)
    settings: dict[Number, MonaiSettings] = {}
    tuning: dict[Number, dict[str, float]] = {}
    for precision in _precisions():
        settings[precision], tuning[precision] = best_monai(trained, precision)
    say(f"MONAI at its best: {settings}")
    seconds, dice, truth = _rounds(trained, settings, seed, rounds)
    ratios = _ratios(seconds)
    best = max(settings, key=lambda precision: ratios[f"{precision} against monai float32"])
    memory = _memory(trained, settings, seed)
    cine = _cine(trained, seed)
    return {
        "claims": {
            "speed_same_precision": min(ratios[f"{p} against monai {p}"] for p in settings),
            "speed_ours_best_vs_monai_fp32": ratios[f"{best} against monai float32"],
            "min_structure_dice_vs_fp32_masks": min(structure_means(dice[f"ours {best}"])),
            "peak_memory_vs_monai": memory[f"ours {best}"] / memory[f"monai {best}"],
            "cine_speed_vs_frame_by_frame": cine["wide"]["ratio"],
        },
        "setup": {**_setup(trained), "our_best": best},
        "monai_seconds_per_window": tuning,
        "monai_settings": {name: dataclasses.asdict(chosen) for name, chosen in settings.items()},
        "seconds_per_scan": {name: [round(s, 3) for s in values] for name, values in seconds.items()},
        "speed_ratios": {name: round(value, 3) for name, value in ratios.items()},
        "dice_to_monai_fp32": {
            name: {
                "worst_structure_over_all_scans": round(min(structure_means(scans)), 5),
                "worst_structure_of_each_scan": [round(min(scan.values()), 5) for scan in scans],
            }
            for name, scans in dice.items()
        },
        "mean_dice_to_truth": truth,
        "peak_rise_mib": {name: round(value) for name, value in memory.items()},
        "cine": cine,
    }


def _setup(trained: Trained) -> dict[str, Any]:
    return {
        "parameters": trained.parameters,
        "trained_s": round(trained.seconds),
        "window": list(NETWORK.window),
        "scan": list(SCAN),
        "overlap": OVERLAP,
        "engines": {precision: trained.predictor(precision).engine.name for precision in _precisions()},
    }


def _rounds(
    trained: Trained, settings: Mapping[Number, MonaiSettings], seed: int, rounds: int
) -> tuple[Seconds, dict[str, list[Dice]], list[float]]:
    """Every contender on every scan, in turn; the masks of MONAI in float32 are the reference."""
    contenders: dict[str, Callable[[Volume], Mask]] = {}
    for precision in _precisions():
        contenders[f"monai {precision}"] = monai_masks(trained, precision, settings[precision])
        contenders[f"ours {precision}"] = our_masks(trained, precision)
    seconds: Seconds = {name: [] for name in contenders}
    dice: dict[str, list[Dice]] = {name: [] for name in contenders}
    truth = []
    for number in range(rounds):
        phase = TEN_PHASES[3 * number % 10]
        frame = patient(seed, number, shape=SCAN, spacing_mm=NETWORK.spacing_mm, phases_percent=(phase,))[0]
        if number == 0:
            for name, mask in contenders.items():
                if name.startswith("ours"):
                    mask(frame.volume)  # compiles
        masks = {}
        for name, mask in contenders.items():
            start = time.perf_counter()
            masks[name] = _map(mask(frame.volume), frame.volume)
            seconds[name].append(time.perf_counter() - start)
            say(f"scan {number + 1} of {rounds}: {name} {seconds[name][-1]:.1f} s")
        for name, made in masks.items():
            dice[name].append(dice_per_structure(made, masks["monai float32"]))
        truth.append(round(_mean_dice(masks["monai float32"], frame.labels), 3))
    return seconds, dice, truth


def structure_means(scans: Sequence[Dice]) -> list[float]:
    """Mean over the scans of each structure's Dice; a structure that no mask of a scan shows is left out there."""
    names = scans[0]
    return [float(np.nanmean([scan[name] for scan in scans])) for name in names]


def _precisions() -> tuple[Number, ...]:
    """bfloat16 only where the processor computes in it: emulated, it would be nobody's choice."""
    import torch

    return PRECISIONS if native_bfloat16(torch.device("cpu")) else PRECISIONS[:1]


def _ratios(seconds: Seconds) -> dict[str, float]:
    """Medians over the rounds of MONAI's seconds over ours, for all pairs of precisions."""
    return {
        f"{ours} against monai {theirs}": float(
            np.median(np.divide(seconds[f"monai {theirs}"], seconds[f"ours {ours}"]))
        )
        for ours in _precisions()
        for theirs in _precisions()
    }


def _memory(trained: Trained, settings: Mapping[Number, MonaiSettings], seed: int) -> dict[str, float]:
    from components.models.package import write_model

    frame = patient(seed, 0, shape=SCAN, spacing_mm=NETWORK.spacing_mm, phases_percent=(0.0,))[0]
    rises = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_model(folder, trained.network, trained.description)
        np.save(folder / "scan.npy", frame.volume.voxels_hu)
        for contender in ("monai", "ours"):
            for precision, chosen in settings.items():
                rises[f"{contender} {precision}"] = peak_rise_mib(
                    folder, contender, precision, channels_last=chosen.channels_last, batch=chosen.batch
                )
    say(f"peak rise in MiB: { {name: round(rise) for name, rise in rises.items()} }")
    return rises


def _cine(trained: Trained, seed: int) -> dict[str, Any]:
    predictor = trained.predictor("auto")
    table: dict[str, Any] = {"engine": predictor.engine.name, "window": list(NETWORK.window)}
    for name, shape in {"wide": WIDE, "tight": TIGHT}.items():
        frames = patient(seed, 0, shape=shape, spacing_mm=NETWORK.spacing_mm, phases_percent=TEN_PHASES)
        result: CineResult = compare_cine(predictor, frames)
        say(f"cine, {name}: {result.ratio:.2f} times as fast as frame by frame")
        view = " × ".join(f"{n * NETWORK.spacing_mm:g}" for n in shape)
        table[name] = {"field_of_view_mm": view, **_rounded(dataclasses.asdict(result))}
        if name == "tight":
            table["smoothing_off"] = judge_cine(predictor, frames)
            table["smoothing_0.5_within_0.2"] = judge_cine(_smoothing(trained), frames)
    return table


def _smoothing(trained: Trained) -> SegmentationPredictor:
    smooth = TemporalSmoothing(strength=0.5, margin=0.2)
    contract = dataclasses.replace(trained.description.input, temporal=smooth)
    said = dataclasses.replace(trained.description, input=contract)
    return dataclasses.replace(trained, description=said).predictor("auto")


def _map(mask: Mask, volume: Volume) -> LabelMap:
    return LabelMap(labels=mask, geometry=volume.geometry, names=HEART_LABELS)


def _mean_dice(mask: LabelMap, truth: LabelMap) -> float:
    return float(np.nanmean(list(dice_per_structure(mask, truth).values())))


def _rounded(values: Mapping[str, float]) -> dict[str, float]:
    return {name: round(value, 5) for name, value in values.items()}


def _figure(claims: Sequence[Claim], rows: Sequence[Mapping[str, Any]]) -> Figure:
    from pipelines.figures.canvas import COLOURS, new_figure

    figure = new_figure(10, 3.6)
    figure.subplots_adjust(left=0.12, right=0.98, bottom=0.15, top=0.86, wspace=0.5)
    names = list(rows[0]["seconds_per_scan"])
    colours = [COLOURS[1] if name.startswith("monai") else COLOURS[0] for name in names]
    seconds = [np.median([np.median(row["seconds_per_scan"][name]) for row in rows]) for name in names]
    memory = [np.median([row["peak_rise_mib"][name] for row in rows]) for name in names]
    for place, (title, values, unit) in enumerate(
        [("seconds per scan of 112³", seconds, ".1f"), ("peak memory, MiB", memory, ".0f")], start=1
    ):
        axes = figure.add_subplot(1, 3, place)
        bars = axes.barh(names[::-1], values[::-1], color=colours[::-1])
        axes.bar_label(bars, fmt=f"%{unit}", padding=2, fontsize=8)
        axes.set_title(title, fontsize=10)
        axes.margins(x=0.2)
    axes = figure.add_subplot(1, 3, 3)
    cines = [np.median([row["cine"][view]["ratio"] for row in rows]) for view in ("tight", "wide")]
    bars = axes.barh(["tight view", "wide view"], cines, color=COLOURS[0])
    axes.bar_label(bars, fmt="%.2f×", padding=2, fontsize=8)
    axes.axvline(1.0, color="black", linewidth=0.8)
    axes.set_title("cine, speed over its frames", fontsize=10)
    axes.margins(x=0.2)
    held = sum(claim.holds for claim in claims)
    figure.suptitle(f"Inference: {held} of {len(claims)} claims hold", fontsize=11)
    return figure
