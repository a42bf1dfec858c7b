"""What the two views of a triplet are of, and that they follow from seed and number alone."""

from __future__ import annotations

import dataclasses
from functools import partial

import numpy as np
import numpy.typing as npt
import torch

from components.models.labeled import LabeledScan, UnlabelledScan
from components.models.training_plan import Augmentation, BackbonePretraining, ClassificationPlan
from components.models.triplet_views import TripletViews, plain_triplets

NOTHING = Augmentation(
    scale=0.0, rotation_degrees=0.0, shift_share=0.0, contrast=0.0, brightness=0.0, noise=0.0, blur=0.0
)
PLAN = ClassificationPlan(
    shape=(12, 8, 8), window_hu=(0.0, 1000.0), shift=-0.5, pretraining=BackbonePretraining(triplets=40)
)


def staircase(slices: int) -> npt.NDArray[np.int16]:
    """Slice z holds 100 + 10 z everywhere."""
    return np.broadcast_to(100 + 10 * np.arange(slices, dtype=np.int16)[:, None, None], (slices, 8, 8))


def scan(name: str, slices: int = 12) -> UnlabelledScan:
    return UnlabelledScan(case_id=name, patient_id=name, read_hu=partial(staircase, slices))


def unchanged(**changes: int) -> ClassificationPlan:
    how = dataclasses.replace(PLAN.pretraining, augmentation=NOTHING, **changes)
    return dataclasses.replace(PLAN, pretraining=how)


def starts(views: torch.Tensor) -> list[int]:
    """The slices at which triplets ``(k, s, h, w)`` of a staircase begin."""
    hu = (views[:, :, 4, 4] + 0.5) * 1000
    steps = ((hu - 100) / 10).round()
    assert torch.allclose(hu, 100 + 10 * steps, atol=0.01)
    assert torch.equal(steps[:, 1:], steps[:, :1] + torch.tensor([1.0, 2.0]))
    return [int(step) for step in steps[:, 0]]


def test_without_changes_both_views_are_the_scans_own_slices() -> None:
    one, other = TripletViews([scan("a")], unchanged(neighbour=0))[0]
    assert one.shape == (40, 3, 8, 8)
    assert torch.equal(one, other)
    assert set(starts(one)) == set(range(10))


def test_the_second_view_is_of_neighbouring_slices() -> None:
    one, other = TripletViews([scan("a")], unchanged(neighbour=2))[0]
    gaps = np.subtract(starts(other), starts(one))
    assert set(gaps) == {-2, -1, 0, 1, 2}


def test_no_triplet_begins_in_the_air_beside_a_short_scan() -> None:
    one, other = TripletViews([scan("a", slices=6)], unchanged(neighbour=3))[0]
    assert set(starts(one)) == set(starts(other)) == {0, 1, 2, 3}
    assert starts(plain_triplets(scan("a", slices=6), unchanged(triplets=4))) == [0, 1, 2, 3]
    shortest, _ = TripletViews([scan("a", slices=2)], unchanged(neighbour=3))[0]
    assert shortest.shape == (40, 3, 8, 8)


def test_views_follow_from_seed_and_number() -> None:
    scans = [scan(name) for name in "abc"]
    data, again = TripletViews(scans, PLAN), TripletViews(scans[::-1], PLAN)
    assert len(data) == 3
    assert torch.equal(data[4], again[4])
    assert not torch.equal(data[4], data[1])
    other = TripletViews(scans, dataclasses.replace(PLAN, seed=1))
    assert not torch.equal(data[4], other[4])
    one, two = data[4]
    assert not torch.equal(one, two)


def test_findings_are_not_looked_at() -> None:
    plain = scan("a")
    known = LabeledScan(
        case_id="a",
        patient_id="a",
        provenance="expert",
        read_hu=plain.read_hu,
        findings=np.ones(2, np.float32),
    )
    assert torch.equal(TripletViews([plain], PLAN)[0], TripletViews([known], PLAN)[0])
