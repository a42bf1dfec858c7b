import dataclasses

import numpy as np
import pytest
import torch

from components.models.labeled import LabeledFrame, in_memory, sample_foreground
from components.models.patches import PatchDataset, head_membership
from components.models.training_plan import Augmentation, SegmentationPlan

STILL = Augmentation(scale=0, rotation_degrees=0, contrast=0, brightness=0, noise=0, blur=0)
PLAN = SegmentationPlan(patch=(8, 8, 8), widths=(4, 8), augmentation=STILL, head_share=1.0, seed=3)


def frame(
    patient: str, provenance: str = "expert", shape: tuple[int, int, int] = (20, 20, 20)
) -> LabeledFrame:
    labels = np.zeros(shape, dtype=np.uint8)
    labels[-2, -3, -4] = 1
    voxels = np.where(labels == 1, 600, -200).astype(np.int16)
    return LabeledFrame(
        frame_id=f"{patient}-0",
        patient_id=patient,
        provenance=provenance,
        shape=shape,
        read_hu=in_memory(voxels),
        read_labels=in_memory(labels),
        foreground=sample_foreground(labels, np.random.default_rng(0)),
    )


def test_a_patch_is_a_function_of_seed_and_number() -> None:
    data, again = (
        PatchDataset([frame("a"), frame("b")], PLAN, expert_share=None, length=4) for _ in range(2)
    )
    for number in (0, 3, 17):
        assert all(torch.equal(x, y) for x, y in zip(data[number], again[number], strict=True))


def test_image_and_target_show_the_same_voxels() -> None:
    plan = dataclasses.replace(PLAN, foreground_share=1.0)
    data = PatchDataset([frame("a")], plan, expert_share=None, length=9)
    for number in range(9):
        image, target, weight = data[number]
        assert image.shape == (1, 8, 8, 8)
        assert int((target == 1).sum()) == 1  # every patch was centred on the one voxel
        assert torch.allclose(image[0], (target == 1).float(), atol=1e-5)
        assert weight.tolist() == [1.0, 1.0, 1.0]


def test_a_frame_smaller_than_a_patch_is_padded_with_ignored_voxels() -> None:
    data = PatchDataset([frame("a", shape=(6, 20, 5))], PLAN, expert_share=None, length=1)
    image, target, _ = data[0]
    ignored = target == 255
    assert int((~ignored).sum()) == 6 * 8 * 5
    assert float(image[0][ignored].max()) == 0.0


@pytest.mark.parametrize(
    ("share", "low", "high"), [(1.0, 200, 200), (0.0, 0, 0), (0.7, 110, 170), (None, 20, 75)]
)
def test_share_of_expert_patches(share: float | None, low: int, high: int) -> None:
    frames = [frame("a"), frame("b", "pseudo"), frame("c", "pseudo"), frame("d", "pseudo")]
    data = PatchDataset(frames, PLAN, expert_share=share, length=200)
    experts = sum(float(data[number][2].max()) == 1.0 for number in range(200))
    assert low <= experts <= high


def test_patients_teach_about_the_share_of_heads() -> None:
    patients = [f"p{i}" for i in range(200)]
    member = np.stack(list(head_membership(patients, 3, 0.5, seed=0).values()))
    assert member.sum(axis=1).min() >= 1
    assert member.mean() == pytest.approx(0.5, abs=0.06)
    assert member.mean(axis=0) == pytest.approx([0.5] * 3, abs=0.12)
    turned = head_membership(patients[::-1], 3, 0.5, seed=0)
    assert np.array_equal(np.stack(list(turned.values())), member)


def test_few_patients_teach_every_head() -> None:
    assert all(m.tolist() == [1, 1, 1] for m in head_membership(["a", "b"], 3, 0.5, seed=0).values())
