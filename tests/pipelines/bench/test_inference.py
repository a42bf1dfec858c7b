"""The parts of ``ctloop bench inference`` at sizes that tell right from wrong within seconds."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from components.metrics.overlap import dice_per_structure
from components.models.description import InputContract, ModelDescription
from components.models.fit import seeded
from components.models.package import write_model
from components.models.training_plan import SegmentationPlan
from components.models.unet import UNet
from components.models.unet_config import UNetConfig
from components.phantom.cardiac import cardiac_case
from components.phantom.scanner import SCANNERS
from components.volume.geometry import Geometry
from components.volume.volume import LabelMap, Volume
from pipelines.bench.inference import structure_means
from pipelines.bench.inference_cine import compare_cine, judge_cine, worst_dice
from pipelines.bench.inference_contenders import best_monai, monai_masks, our_masks
from pipelines.bench.inference_memory import peak_rise_mib
from pipelines.bench.inference_network import Recipe, Trained, patient, train
from tests.components.models.intensity_network import intensity_predictor

CONFIG = UNetConfig(classes=4, widths=(8, 16), stem_stride=1, heads=2)
SHAPE = (24, 40, 28)


@pytest.fixture
def trained() -> Trained:
    def network() -> UNet:
        made = UNet(CONFIG).eval()
        for head in made.heads:
            head[-1].bias.data.zero_()
        return made

    contract = InputContract(spacing_mm=(2.0, 2.0, 2.0), window_hu=(-200.0, 600.0), shape=(16, 16, 16))
    said = ModelDescription(
        task="segmentation",
        architecture=dataclasses.asdict(CONFIG),
        input=contract,
        label_names=("a", "b", "c"),
    )
    return Trained(network=seeded(network, 0), description=said, seconds=0.0)


def scan() -> Volume:
    coarse = np.random.default_rng(0).normal(200, 150, (6, 10, 7))
    hu = coarse.repeat(4, axis=0).repeat(4, axis=1).repeat(4, axis=2).astype(np.int16)
    return Volume(voxels_hu=hu, geometry=Geometry.axis_aligned(SHAPE, (2.0, 2.0, 2.0)))


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_ours_and_monai_draw_the_same_masks(trained: Trained, precision: str) -> None:
    number = "float32" if precision == "float32" else "bfloat16"
    settings, tried = best_monai(trained, number)
    theirs, ours = monai_masks(trained, number, settings)(scan()), our_masks(trained, number)(scan())
    assert len(tried) == 6
    assert ours.shape == theirs.shape == SHAPE
    assert len(np.unique(theirs)) > 1
    assert (ours == theirs).mean() > (0.9999 if number == "float32" else 0.95)


def test_training_follows_from_the_seed_and_test_patients_differ() -> None:
    recipe = Recipe(
        plan=SegmentationPlan(
            patch=(16, 16, 16), widths=(4, 8), heads=1, head_share=1.0, batch_size=1, steps_per_epoch=2, epochs=1
        ),
        window=(24, 24, 24), shape=(24, 24, 24), spacing_mm=6.0, patients=2,
    )  # fmt: skip
    first, again = train(recipe, 3), train(recipe, 3)
    assert first.description == again.description
    assert first.description.input.shape == (24, 24, 24)
    for a, b in zip(first.network.parameters(), again.network.parameters(), strict=True):
        assert np.array_equal(a.detach().numpy(), b.detach().numpy())
    one, other = (patient(3, n, shape=(24, 24, 24), spacing_mm=6.0, phases_percent=(0.0,)) for n in (0, 1000))
    assert not np.array_equal(one[0].volume.voxels_hu, other[0].volume.voxels_hu)


def test_a_cine_is_compared_frame_by_frame() -> None:
    case = cardiac_case(
        seed=1, species="human", scanner=SCANNERS["reference"], phases_percent=(0.0, 30.0, 60.0),
        shape=(24, 24, 24), spacing_mm=(6.0, 6.0, 6.0),
    )  # fmt: skip
    predictor = intensity_predictor(spacing_mm=(6.0, 6.0, 6.0))
    result = compare_cine(predictor, case.frames)
    assert result.ratio > 0
    assert result.worst_dice > 0.9
    judged = judge_cine(predictor, case.frames)
    assert 0 < judged["jump_of_the_truth"] < 1


def test_the_worst_structure_counts_only_those_that_are_shown() -> None:
    grid = Geometry.axis_aligned((1, 1, 8), (1.0, 1.0, 1.0))

    def drawn(values: list[int]) -> LabelMap:
        labels = np.array(values, dtype=np.uint8)[None, None]
        return LabelMap(labels=labels, geometry=grid, names={1: "a", 2: "b", 3: "c"})

    ours, theirs = drawn([1, 1, 1, 1, 2, 2, 0, 0]), drawn([1, 1, 1, 1, 2, 0, 0, 0])
    assert worst_dice(ours, theirs) == pytest.approx(2 / 3)
    assert np.isnan(dice_per_structure(ours, theirs)["c"])
    assert worst_dice(drawn([0] * 8), drawn([0] * 8)) == 1.0


@pytest.mark.slow
def test_memory_is_measured_in_a_process_of_its_own(trained: Trained, tmp_path: Path) -> None:
    write_model(tmp_path, trained.network, trained.description)
    np.save(tmp_path / "scan.npy", scan().voxels_hu)
    rises = [
        peak_rise_mib(tmp_path, contender, "float32", channels_last=False, batch=1)
        for contender in ("monai", "ours")
    ]
    assert all(0 < rise < 2000 for rise in rises)


def test_structures_are_averaged_over_scans_before_the_worst_is_taken() -> None:
    scans = [{"aorta": 1.0, "left_atrium": 0.9}, {"aorta": 0.8, "left_atrium": float("nan")}]
    assert structure_means(scans) == pytest.approx([0.9, 0.9])
