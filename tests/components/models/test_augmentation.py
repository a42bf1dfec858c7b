import numpy as np
import torch

from components.models.augmentation import (
    SpatialChange,
    apply_spatial,
    change_intensity,
    draw_spatial,
    needed_size,
)
from components.models.training_plan import Augmentation

NOTHING = Augmentation(scale=0, rotation_degrees=0, contrast=0, brightness=0, noise=0, blur=0)
STILL = SpatialChange(matrix=np.eye(3), shift=np.zeros(3))


def test_no_change_is_the_central_crop() -> None:
    image = torch.rand(12, 10, 14)
    drawn = draw_spatial(NOTHING, (8, 6, 10), np.random.default_rng(0))
    assert np.array_equal(drawn.matrix, np.eye(3))
    assert torch.allclose(
        apply_spatial(image, drawn, (8, 6, 10), nearest=False), image[2:10, 2:8, 2:12], atol=1e-5
    )


def test_a_mirror_turns_left_and_right_only() -> None:
    image = torch.rand(4, 5, 6)
    mirrored = draw_spatial(
        Augmentation(scale=0, rotation_degrees=0, mirror=1.0), (4, 5, 6), np.random.default_rng(0)
    )
    assert torch.allclose(apply_spatial(image, mirrored, (4, 5, 6), nearest=False), image.flip(2), atol=1e-5)


def test_a_shift_is_in_voxels_along_its_axis() -> None:
    image = torch.arange(8.0)[:, None, None].expand(8, 4, 4)
    moved = SpatialChange(matrix=np.eye(3), shift=np.array([1.0, 0, 0]))
    assert torch.allclose(
        apply_spatial(image, moved, (4, 4, 4), nearest=False)[:, 0, 0], torch.arange(3.0, 7.0)
    )


def test_labels_stay_labels_and_follow_the_image() -> None:
    labels = torch.zeros(16, 16, 16, dtype=torch.uint8)
    labels[4:12, 4:12, 4:12] = 7
    drawn = draw_spatial(Augmentation(), (16, 16, 16), np.random.default_rng(3))
    turned = apply_spatial(labels, drawn, (16, 16, 16), nearest=True)
    image = apply_spatial(labels.float(), drawn, (16, 16, 16), nearest=False)
    assert set(turned.unique().tolist()) == {0, 7}
    assert float(((turned == 7) == (image > 3.5)).float().mean()) > 0.99


def test_a_quarter_turn_about_z_moves_x_onto_y() -> None:
    image = torch.rand(3, 6, 6)
    quarter = SpatialChange(matrix=np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]]), shift=np.zeros(3))
    expected = torch.rot90(image, 1, (1, 2)), torch.rot90(image, -1, (1, 2))
    result = apply_spatial(image, quarter, (3, 6, 6), nearest=True)
    assert any(torch.equal(result, turned) for turned in expected)


def test_intensity_follows_the_generator_and_can_be_switched_off() -> None:
    image = np.random.default_rng(0).random((4, 4, 4), dtype=np.float32)
    assert np.allclose(change_intensity(image, NOTHING, np.random.default_rng(1)), image)
    first, again = (change_intensity(image, Augmentation(), np.random.default_rng(1)) for _ in range(2))
    assert np.array_equal(first, again)
    assert first.dtype == np.float32
    assert not np.allclose(first, image)


def test_still_is_still() -> None:
    image = torch.rand(5, 5, 5)
    assert torch.allclose(apply_spatial(image, STILL, (5, 5, 5), nearest=False), image, atol=1e-6)


def test_the_needed_image_is_enough_and_no_larger() -> None:
    """Sampling a larger image gives the same voxels, so that no edge was repeated."""
    large = torch.rand(80, 80, 80)
    bounds = Augmentation(rotation_degrees=10, shift_share=0.05, mirror=0.5)
    for seed in range(6):
        change = draw_spatial(bounds, (24, 32, 28), np.random.default_rng(seed))
        size = needed_size(change, (24, 32, 28))
        z, y, x = (slice(40 - n // 2, 40 + n // 2) for n in size)
        for nearest in (False, True):
            small = apply_spatial(large[z, y, x], change, (24, 32, 28), nearest=nearest)
            same = (small - apply_spatial(large, change, (24, 32, 28), nearest=nearest)).abs() < 1e-4
            assert float(same.float().mean()) > 0.9999  # the nearest of two equally near may be either
        assert max(n - m for n, m in zip(size, (24, 32, 28), strict=True)) < 24
    assert needed_size(STILL, (24, 32, 28)) == (24, 32, 28)


def test_the_nearest_voxel_is_torchs() -> None:
    labels = torch.randint(0, 9, (30, 40, 36), dtype=torch.uint8)
    change = draw_spatial(Augmentation(shift_share=0.1), (32, 32, 32), np.random.default_rng(0))
    half = np.array(labels.shape) / 2
    theta = np.zeros((1, 3, 4), dtype=np.float32)
    theta[0, :, :3] = (np.diag(1 / half) @ change.matrix @ np.diag([16.0, 16.0, 16.0]))[::-1, ::-1]
    theta[0, :, 3] = (change.shift / half)[::-1]
    grid = torch.nn.functional.affine_grid(torch.from_numpy(theta), [1, 1, 32, 32, 32], align_corners=False)
    expected = torch.nn.functional.grid_sample(
        labels[None, None].float(), grid, mode="nearest", padding_mode="border", align_corners=False
    )
    own = apply_spatial(labels, change, (32, 32, 32), nearest=True)
    assert float((own == expected[0, 0]).float().mean()) > 0.9999  # ties may fall to either side
