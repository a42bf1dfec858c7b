from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from components.models.sliding_window import Shown, WindowScores, blend, hard
from components.models.window_grid import WindowGrid


def voxelwise(x: Tensor) -> WindowScores:
    """Two score maps that depend on each voxel alone, so that any tiling must give the same answer."""
    none = torch.zeros((0, *x.shape[2:]), dtype=torch.uint8)
    return WindowScores(scores=torch.cat((x, 1 - x), dim=1)[0], members=none, embedding=x.mean()[None])


def slabs_of(volume: Tensor, patch: tuple[int, int, int]) -> list[Tensor]:
    """Mean scores ``(2, slices, y, x)``, slab after slab."""
    z, y, x = volume.shape
    windows = WindowGrid.over((z, y, x), patch=patch, stride=4)
    slabs = blend(voxelwise, volume.__getitem__, windows, scores=2, members=0)
    return [slab.sums / slab.weight for slab in slabs]


@pytest.mark.parametrize("shape", [(8, 8, 8), (19, 13, 30), (5, 40, 9)])
def test_tiles_of_a_voxelwise_network_give_the_whole_volume(shape: tuple[int, int, int]) -> None:
    volume = torch.rand(shape)
    joined = torch.cat(slabs_of(volume, (8, 8, 8)), dim=1)
    assert joined.shape == (2, *shape)
    assert torch.allclose(joined[0], volume, atol=1e-6)


def test_a_volume_that_fits_is_one_slab() -> None:
    (slab,) = slabs_of(torch.rand(10, 12, 7), (16, 16, 16))
    assert slab.shape[1:] == (10, 12, 7)


def test_a_long_volume_leaves_in_slabs_no_deeper_than_a_window() -> None:
    depths = [slab.shape[1] for slab in slabs_of(torch.rand(100, 8, 8), (16, 8, 8))]
    assert max(depths) <= 16
    assert sum(depths) == 100


def test_the_highest_score_and_the_first_of_equals() -> None:
    scores = torch.tensor([[0.2, 0.5, 0.4], [0.7, 0.5, 0.1], [0.1, 0.0, 0.5]])
    assert hard(scores).tolist() == [1, 0, 2]
    many = torch.randn(8, 5, 6, 7, generator=torch.Generator().manual_seed(0))
    assert np.array_equal(hard(many).numpy(), np.argmax(many.numpy(), axis=0))


def noisy(window: Tensor) -> WindowScores:
    """Scores that depend on the whole window, so that windows disagree where they overlap."""
    x = window[0, 0]
    scores = torch.stack([x * x.mean(), x.flip(0), (1 - x) * x.std()])
    members = torch.stack([hard(scores), hard(scores.roll(1, dims=2))])
    return WindowScores(scores=scores, members=members, embedding=x.mean()[None])


def naive(volume: Tensor, windows: WindowGrid, skip: frozenset[int], before: Shown) -> tuple[Tensor, Tensor]:
    """Everything held at once: mean scores, and the members' labels of the window that weighs most."""
    total, weight = torch.zeros((3, *volume.shape)), torch.zeros(volume.shape)
    members, nearest = torch.zeros((2, *volume.shape), dtype=torch.uint8), torch.zeros(volume.shape)
    axes = [torch.exp(-0.5 * ((torch.arange(n) - (n - 1) / 2) / (n / 8)) ** 2) for n in windows.size]
    gaussian = torch.einsum("i,j,k->ijk", *axes).clamp_min(1e-3)
    for number, box in enumerate(windows.boxes()):
        answer = noisy(volume[box][None, None])
        scores, own = answer.scores, answer.members
        if number in skip:
            shown = torch.from_numpy(before.labels[box]).long()
            scores = torch.nn.functional.one_hot(shown, 3).movedim(3, 0).float()
            own = torch.from_numpy(before.members[(slice(None), *box)])
        total[(slice(None), *box)] += scores * gaussian
        weight[box] += gaussian
        mine = gaussian > nearest[box]
        members[(slice(None), *box)] = torch.where(mine, own, members[(slice(None), *box)])
        nearest[box] = torch.where(mine, gaussian, nearest[box])
    return total / weight, members


@pytest.mark.parametrize("skip", [frozenset(), frozenset({0, 1, 5}), frozenset({0, 1, 2, 3})])
def test_bands_give_what_accumulation_of_the_whole_volume_gives(skip: frozenset[int]) -> None:
    volume = torch.rand((37, 24, 30), generator=torch.Generator().manual_seed(0))
    windows = WindowGrid.over((37, 24, 30), patch=(16, 16, 16), stride=8)
    generator = np.random.default_rng(0)
    before = Shown(
        labels=generator.integers(0, 3, (37, 24, 30), dtype=np.uint8),
        members=generator.integers(0, 3, (2, 37, 24, 30), dtype=np.uint8),
    )
    seen: list[int] = []
    means, members = [], []
    for slab in blend(noisy, volume.__getitem__, windows, scores=3, members=2, skip=skip, before=before):
        means.append(slab.sums / slab.weight)
        members.append(slab.members.clone())
        seen += slab.embeddings
    expected, own = naive(volume, windows, skip, before)
    assert torch.allclose(torch.cat(means, dim=1), expected, atol=1e-5)
    assert torch.equal(torch.cat(members, dim=1), own)
    assert seen == [i for i in range(len(windows)) if i not in skip]


@pytest.mark.parametrize("depth", [64, 512])
def test_memory_is_that_of_one_band_whatever_the_length(depth: int) -> None:
    """Largest tensor that any operation makes, and the buffers held, against the formula of the module."""
    windows = WindowGrid.over((depth, 40, 40), patch=(16, 16, 16), stride=8)
    band = 16 * 40 * 40
    made: list[int] = []

    class Sizes(TorchDispatchMode):
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            result = func(*args, **(kwargs or {}))
            made.extend(r.untyped_storage().nbytes() for r in [result] if isinstance(r, Tensor))
            return result

    ten = torch.full((10, 16, 16, 16), 0.1)
    answer = WindowScores(
        scores=ten, members=torch.zeros((2, 16, 16, 16), dtype=torch.uint8), embedding=torch.zeros(1)
    )
    with Sizes():
        slices = sum(
            slab.sums.shape[1]
            for slab in blend(
                lambda _: answer, lambda box: torch.zeros(16, 16, 16), windows, scores=10, members=2
            )
        )
    assert slices == depth
    assert max(made) == band * 10 * 4  # the sums of ten scores; nothing of the volume's size


def test_a_window_of_a_grid_of_512_by_512_by_3000_takes_a_band_and_no_more() -> None:
    windows = WindowGrid.over((3000, 512, 512), patch=(96, 96, 96), stride=8)
    slabs = blend(
        lambda _: WindowScores(
            scores=torch.zeros((1, 96, 96, 96)),
            members=torch.zeros((0, 96, 96, 96), dtype=torch.uint8),
            embedding=torch.zeros(1),
        ),
        lambda box: torch.zeros((1, 1, 1)).expand(96, 96, 96),
        windows, scores=1, members=0,
    )  # fmt: skip
    first = next(slabs)
    held = sum(t.untyped_storage().nbytes() for t in (first.sums, first.weight, first.members))
    assert held == 96 * 512 * 512 * (4 + 4)
