from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
import pytest

from components.errors import InputError
from components.models.prediction import CinePredictor, FramePrediction
from components.models.segmentation_predictor import SegmentationPredictor
from components.models.still_windows import StillRule
from components.scorecard.temporal_smoothing import TemporalSmoothing
from components.volume.geometry import Geometry
from components.volume.volume import Volume
from tests.components.models.intensity_network import IntensityNetwork, intensity_predictor

WIDE = Geometry.axis_aligned((16, 60, 60), (2.0, 2.0, 2.0))
RNG_NOISE_HU = 30.0


def scan(frame: int, *, late: tuple[int, ...] = (), grid: Geometry = WIDE) -> Volume:
    """A beating heart of 600 HU in one corner; in the frames of ``late`` a vessel of 1000 HU far away."""
    rng = np.random.default_rng(frame)
    hu = rng.normal(150.0, RNG_NOISE_HU, grid.shape)
    size = 8 + frame % 3
    hu[4:12, 4 : 4 + size, 4 : 4 + size] = 600
    if frame in late:
        hu[4:12, 48:54, 48:54] = 1000
    return Volume(voxels_hu=hu.clip(0, 1000).astype(np.int16), geometry=grid)


def cine(
    predictor: SegmentationPredictor, frames: Sequence[Callable[[], Volume]]
) -> dict[int, FramePrediction | Exception]:
    return dict(predictor.predict_cine(frames))


def labels(answer: FramePrediction | Exception) -> np.ndarray:
    assert isinstance(answer, FramePrediction)
    assert answer.labels is not None
    return answer.labels.labels


def test_it_is_a_cine_predictor() -> None:
    assert isinstance(intensity_predictor(), CinePredictor)


@pytest.mark.parametrize("late", [(), (3,), (2, 3, 4, 5, 6, 7), (7,)])
def test_a_cine_says_what_its_frames_say_and_runs_fewer_windows(late: tuple[int, ...]) -> None:
    """A structure that appears late, for one frame or for good, far from all others, is found."""
    single, shared = IntensityNetwork(), IntensityNetwork()
    alone = [intensity_predictor(single).predict(scan(i, late=late)) for i in range(8)]
    together = cine(intensity_predictor(shared), [lambda i=i: scan(i, late=late) for i in range(8)])
    assert list(together) == list(range(8))
    for i in range(8):
        assert np.array_equal(labels(together[i]), labels(alone[i]))
        assert (labels(alone[i]) == 2).any() == (i in late)
        answer = together[i]
        assert isinstance(answer, FramePrediction)
        assert answer.outputs == alone[i].outputs
        assert answer.uncertainty == pytest.approx(alone[i].uncertainty)
        np.testing.assert_allclose(answer.embedding, alone[i].embedding, atol=0.02)
    assert len(shared.windows) < 0.7 * len(single.windows)


def test_a_structure_below_the_change_that_counts_is_found_by_the_next_full_frame() -> None:
    """The guarantee's other half: 15 HU are less than ``change_hu``; ``full_every`` 3 runs frames 0, 3, 6."""

    def faint(i: int) -> Volume:
        hu = np.full(WIDE.shape, 150, dtype=np.int16)
        hu[4:12, 4:12, 4:12] = 600
        hu[:, 40:, 40:] = 390 if i == 0 else 405  # background below 400 HU
        return Volume(voxels_hu=hu, geometry=WIDE)

    predictor = dataclasses.replace(intensity_predictor(), still=StillRule(full_every=3))
    found = {i: bool(labels(answer)[:, 50:, 50:].any()) for i, answer in cine_of(predictor, faint, 5).items()}
    assert found == {0: False, 1: False, 2: False, 3: True, 4: True}


def test_a_still_window_keeps_its_labels_and_how_its_members_disagree() -> None:
    """A structure in a window in which nothing moves is shown in every frame, run or not."""

    def make(i: int) -> Volume:
        hu = np.full(WIDE.shape, 150, dtype=np.int16)
        hu[4:12, 4 : 12 + i % 3, 4:12] = 600
        hu[4:12, 50:58, 50:58] = 600
        return Volume(voxels_hu=hu, geometry=WIDE)

    network = IntensityNetwork()
    answers = cine_of(intensity_predictor(network), make, 4)
    run = len(network.windows)
    for i, answer in answers.items():
        alone = intensity_predictor().predict(make(i))
        assert np.array_equal(labels(answer), labels(alone))
        assert labels(answer)[4:12, 50:58, 50:58].all()
        assert isinstance(answer, FramePrediction)
        assert answer.uncertainty == pytest.approx(alone.uncertainty)
    single = IntensityNetwork()
    intensity_predictor(single).predict(make(0))
    assert run < 0.7 * 4 * len(single.windows)


def test_with_smoothing_every_window_is_run() -> None:
    network = IntensityNetwork()
    predictor = intensity_predictor(network, temporal=TemporalSmoothing(strength=0.5))
    cine_of(predictor, scan, 4)
    single = IntensityNetwork()
    intensity_predictor(single).predict(scan(0))
    assert len(network.windows) == 4 * len(single.windows)


def cine_of(
    predictor: SegmentationPredictor, make: Callable[[int], Volume], frames: int
) -> dict[int, FramePrediction | Exception]:
    return cine(predictor, [lambda i=i: make(i) for i in range(frames)])


def test_a_single_head_says_the_same_and_is_never_unsure() -> None:
    several, one = intensity_predictor().predict(scan(0)), intensity_predictor(heads=1).predict(scan(0))
    assert np.array_equal(labels(several), labels(one))
    assert one.uncertainty == 0.0


def test_frames_are_loaded_one_at_a_time() -> None:
    loaded: list[int] = []

    def load(i: int) -> Volume:
        loaded.append(i)
        return scan(i)

    answers = intensity_predictor().predict_cine([lambda i=i: load(i) for i in range(4)])
    next(answers)
    assert loaded == [0]


@pytest.mark.parametrize("smoothing", [TemporalSmoothing(), TemporalSmoothing(strength=0.5)])
@pytest.mark.parametrize("bad", [0, 2, 5])
def test_a_frame_that_fails_never_stops_the_others(smoothing: TemporalSmoothing, bad: int) -> None:
    def load(i: int) -> Volume:
        if i == bad:
            raise InputError(expected="a frame", got="rubbish", hint="nothing")
        return scan(i)

    predictor = intensity_predictor(temporal=smoothing)
    answers = cine_of(predictor, load, 6)
    assert sorted(answers) == list(range(6))
    assert [i for i, answer in answers.items() if isinstance(answer, Exception)] == [bad]


def test_a_frame_on_another_grid_starts_anew() -> None:
    small = Geometry.axis_aligned((16, 40, 60), (2.0, 2.0, 2.0))
    grids = [WIDE, WIDE, small, small, WIDE]
    answers = cine_of(intensity_predictor(), lambda i: scan(i, grid=grids[i]), 5)
    for i, grid in enumerate(grids):
        assert np.array_equal(labels(answers[i]), labels(intensity_predictor().predict(scan(i, grid=grid))))


def test_equal_cines_give_equal_bytes_and_smoothing_off_is_no_smoothing() -> None:
    first, again = (cine_of(intensity_predictor(), scan, 4) for _ in range(2))
    off = intensity_predictor(temporal=TemporalSmoothing(strength=0.0, margin=1.0))
    switched_off = cine_of(off, scan, 4)
    for i in range(4):
        assert labels(first[i]).tobytes() == labels(again[i]).tobytes() == labels(switched_off[i]).tobytes()


def flicker(i: int) -> Volume:
    """One voxel just above the border of 400 HU, in frame 2 just below; another one clearly below it there."""
    hu = np.full((16, 16, 16), 150, dtype=np.int16)
    hu[4:12, 4:12, 4:12] = 430
    if i == 2:
        hu[8, 8, 8] = 390
        hu[6, 6, 6] = 200
    return Volume(voxels_hu=hu, geometry=Geometry.axis_aligned((16, 16, 16), (2.0, 2.0, 2.0)))


def test_smoothing_repairs_a_flicker_and_leaves_clear_evidence() -> None:
    plain = cine_of(intensity_predictor(), flicker, 5)
    predictor = intensity_predictor(temporal=TemporalSmoothing(strength=0.6, margin=0.25))
    smooth = cine_of(predictor, flicker, 5)
    assert list(smooth) == [1, 2, 3, 4, 0]
    assert (labels(plain[2])[8, 8, 8], labels(smooth[2])[8, 8, 8]) == (0, 1)
    assert (labels(plain[2])[6, 6, 6], labels(smooth[2])[6, 6, 6]) == (0, 0)
    for i in (0, 1, 3, 4):
        assert np.array_equal(labels(plain[i]), labels(smooth[i]))
    repaired = smooth[2]
    assert isinstance(repaired, FramePrediction)
    assert repaired.outputs["left_ventricle_ml"] == pytest.approx(511 * 8 / 1000)


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_short_cines_with_smoothing_give_every_frame(count: int) -> None:
    predictor = intensity_predictor(temporal=TemporalSmoothing(strength=0.5))
    assert sorted(cine_of(predictor, flicker, count)) == list(range(count))


def test_a_frame_of_a_long_scan_holds_no_float_of_its_size() -> None:
    """512 slices of 40 × 40 against a patch of 16³: numpy's peak beside the scan, in bytes per voxel."""
    import tracemalloc

    grid = Geometry.axis_aligned((512, 40, 40), (2.0, 2.0, 2.0))
    long = Volume(voxels_hu=np.zeros(grid.shape, dtype=np.int16), geometry=grid)
    predictor = intensity_predictor()
    predictor.predict(scan(0))
    tracemalloc.start()
    predictor.predict(long)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    per_voxel = peak / np.prod(grid.shape)
    assert (
        per_voxel < 2 + 1 + 1 + 1.5
    )  # int16 prepared, labels in parts and joined, labels on the native grid
