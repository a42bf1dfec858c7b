"""What a classifier explains is what it predicts."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from components.errors import InputError, ParameterError
from components.models.ct_scroll import CTScroll
from components.models.relevance import Explainer
from components.volume.geometry import Geometry
from components.volume.volume import Volume
from tests.components.models.marked_scans import FINDINGS, SPACING, predictor, scan, trained


@pytest.mark.parametrize("slices", [7, 22, 24, 35])
def test_explains_what_it_predicts(slices: int) -> None:
    """Scans of other sizes than the network's, and none a multiple of three."""
    volume = scan(np.random.default_rng(1), slices=slices, marked={0: 3})
    relevance, said = trained().explain(volume), trained().predict(volume)
    assert isinstance(trained(), Explainer)
    assert relevance.probabilities == pytest.approx(said.probabilities, abs=1e-5)
    shown = trained().network_input(volume)
    of_air = trained().engine.run(torch.full_like(shown.image, shown.air), shown.real)[0].sigmoid()[0]
    assert list(relevance.of_air.values()) == pytest.approx(of_air.tolist(), abs=1e-5)
    assert relevance.by_triplet.shape == (2, 8)
    assert relevance.real.sum() == {7: 3, 22: 8, 24: 8, 35: 8}[slices]
    assert not relevance.by_triplet[:, ~relevance.real].any()
    again = trained().explain(volume)
    assert np.array_equal(again.by_triplet, relevance.by_triplet)


@pytest.mark.parametrize("slices", [10, 24])
def test_without_masks_left_out_triplets_are_slices_of_air(slices: int) -> None:
    masked = trained().network
    plain = CTScroll(dataclasses.replace(masked.config, mask_padding=False)).eval()
    plain.load_state_dict(masked.state_dict())
    relevance = predictor(plain).explain(scan(np.random.default_rng(2), slices=slices, marked={0: 3, 1: 6}))
    masks = np.random.default_rng(3).random((6, 8)) < 0.4
    masks[0], masks[1] = False, True
    quick, whole = relevance.without(masks), relevance.without_slices(masks)
    assert np.allclose(quick, whole, atol=1e-5)
    assert np.abs(quick - quick[0]).max() > 0.1
    assert quick[0] == pytest.approx([relevance.probabilities[name] for name in FINDINGS])


def test_with_masks_left_out_triplets_are_as_if_never_scanned() -> None:
    """Without its upper four triplets, the scan of 24 slices is one of 12."""
    volume = scan(np.random.default_rng(2), slices=24, marked={0: 3, 1: 18})
    lower = Volume(voxels_hu=volume.voxels_hu[:12], geometry=Geometry.axis_aligned((12, 16, 16), SPACING))
    said = trained().predict(lower).probabilities
    left = trained().explain(volume).without(np.arange(8)[None] > 3)[0]
    assert left == pytest.approx([said[name] for name in FINDINGS], abs=1e-5)


def test_slices_of_air_are_what_the_scan_with_air_would_give() -> None:
    volume = scan(np.random.default_rng(4), slices=24, marked={0: 6})
    emptied = volume.voxels_hu.copy()
    emptied[6:9] = -1024
    said = trained().predict(Volume(voxels_hu=emptied, geometry=volume.geometry)).probabilities
    relevance = trained().explain(volume)
    mask = np.arange(8)[None] == relevance.top("bright_square")
    assert relevance.without_slices(mask)[0] == pytest.approx([said[name] for name in FINDINGS], abs=1e-5)


def test_relevance_is_in_calibrated_logits() -> None:
    volume = scan(np.random.default_rng(5), slices=24, marked={0: 6})
    plain, cool = trained().explain(volume), predictor(trained().network, temperature=2.0).explain(volume)
    assert np.allclose(cool.by_triplet, plain.by_triplet / 2)
    assert cool.probabilities == pytest.approx(
        predictor(trained().network, temperature=2.0).predict(volume).probabilities, abs=1e-5
    )


def test_an_unknown_finding_is_refused() -> None:
    relevance = trained().explain(scan(np.random.default_rng(1), slices=24, marked={}))
    with pytest.raises(ParameterError, match="striped_square"):
        relevance.of("square")


def test_the_square_lies_in_the_slice_that_is_named() -> None:
    """Of a scan whose slices run from the head to the feet, thinner than the network's and more than it sees."""
    generator, hits = np.random.default_rng(6), 0
    for first in (12, 30, 45):
        voxels = generator.normal(-400, 60, size=(64, 16, 16))
        voxels[first : first + 6, 1:7, 2:14] = 200
        affine = np.diag([0.0, 0.0, 0.0, 1.0])
        affine[2, 0], affine[1, 1], affine[0, 2], affine[2, 3] = -1.5, 4.0, 4.0, 30.0
        native = Geometry(shape=(64, 16, 16), affine=affine)
        volume = Volume(voxels_hu=np.clip(voxels, -1000, 500).astype(np.int16), geometry=native)
        place = trained().explain(volume).place("bright_square", native)
        assert not place.from_feet
        hits += first - 3 <= place.index < first + 9
    assert hits == 3


def test_a_scan_with_nobody_in_it_is_refused_not_judged() -> None:
    """Air, and air with the noise and the specks of a scanner; a small body in a large field passes."""
    generator = np.random.default_rng(0)
    grid = Geometry.axis_aligned((24, 40, 40), (4.0, 12.0, 12.0))
    noise = generator.normal(-1000, 40, grid.shape)
    specks = np.where(generator.random(grid.shape) < 0.05, 50, noise)
    small = noise.copy()
    small[:, 16:24, 16:24] = 40
    for voxels in (np.full(grid.shape, -1024.0), noise, specks):
        empty = Volume(voxels_hu=voxels.astype(np.int16), geometry=grid)
        for ask in (trained().predict, trained().explain):
            with pytest.raises(InputError, match=r"expected a chest: .*got 0\.\d%.*try another series"):
                ask(empty)
    said = trained().predict(Volume(voxels_hu=small.astype(np.int16), geometry=grid))
    assert set(said.probabilities) == set(FINDINGS)
