import math

import torch
from torch.nn import functional

from components.models.labeled import UNKNOWN
from components.models.segmentation_loss import segmentation_loss


def brute_force(logits: torch.Tensor, target: torch.Tensor) -> float:
    """One sample, one head: ``(k, n)`` and ``(n,)``."""
    known = target != UNKNOWN
    probability, truth = logits.softmax(0)[:, known], target[known]
    rarity = torch.stack([(truth == value).sum() for value in truth]).float() ** -0.5
    entropy = -(rarity * probability[truth, torch.arange(len(truth))].log()).sum() / rarity.sum()
    dice = []
    for value in range(1, len(logits)):
        mask = truth == value
        if mask.any():
            overlap = probability[value][mask].sum()
            dice.append(2 * overlap / (probability[value].sum() + mask.sum()))
    loss = entropy + (1 - torch.stack(dice).mean() if dice else 0.0)
    return float(loss)


def test_against_brute_force_with_ignored_voxels_and_weights() -> None:
    torch.manual_seed(0)
    logits, target = torch.randn(2, 2, 4, 3, 3, 3), torch.randint(0, 4, (2, 3, 3, 3))
    target[:, 0] = UNKNOWN
    weight = torch.tensor([[1.0, 0.0], [0.5, 2.0]])
    parts = [
        (weight[b, m], brute_force(logits[b, m].flatten(1), target[b].flatten()))
        for b in range(2)
        for m in range(2)
    ]
    expected = sum(w * loss for w, loss in parts) / weight.sum()
    assert torch.isclose(segmentation_loss(logits, target, weight), expected)


def test_ignored_voxels_and_absent_heads_get_no_gradient() -> None:
    logits = torch.randn(1, 2, 3, 2, 2, 2, requires_grad=True)
    target = torch.ones(1, 2, 2, 2, dtype=torch.long)
    target[0, 0] = UNKNOWN
    segmentation_loss(logits, target, torch.tensor([[1.0, 0.0]])).backward()
    assert logits.grad is not None
    assert logits.grad[0, 0, :, 0].abs().sum() == 0
    assert logits.grad[0, 0, :, 1].abs().sum() > 0
    assert logits.grad[0, 1].abs().sum() == 0


def test_uniform_background_costs_the_logarithm_of_the_classes() -> None:
    target = torch.zeros(1, 2, 2, 2, dtype=torch.long)
    loss = segmentation_loss(torch.zeros(1, 1, 8, 2, 2, 2), target, torch.ones(1, 1))
    assert math.isclose(float(loss), math.log(8), rel_tol=1e-6)


def test_nothing_known_or_nobody_learning_costs_nothing() -> None:
    logits = torch.randn(1, 1, 3, 2, 2, 2, requires_grad=True)
    ignored = torch.full((1, 2, 2, 2), UNKNOWN)
    assert float(segmentation_loss(logits, ignored, torch.ones(1, 1)).detach()) == 0.0
    assert float(segmentation_loss(logits, ignored * 0, torch.zeros(1, 1)).detach()) == 0.0


def test_cross_entropy_agrees_with_torch_when_there_is_no_foreground() -> None:
    logits, target = torch.randn(1, 1, 3, 4, 4, 4), torch.zeros(1, 4, 4, 4, dtype=torch.long)
    expected = functional.cross_entropy(logits[:, 0], target)
    assert torch.isclose(segmentation_loss(logits, target, torch.ones(1, 1)), expected)
