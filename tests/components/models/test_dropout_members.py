import numpy as np
import torch
from torch import nn

from components.models.dropout_members import dropout_members


def head(rate: float) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 40), nn.ReLU(), nn.Dropout(rate), nn.Linear(40, 3)).eval()


@torch.inference_mode()
def test_without_dropout_every_member_is_the_answer() -> None:
    pooled, classifier = torch.randn(6), head(0.0)
    members = dropout_members(classifier, pooled, members=5)
    torch.testing.assert_close(members, classifier(pooled).expand(5, 3))


@torch.inference_mode()
def test_members_scatter_about_the_answer_as_torch_dropout_does() -> None:
    pooled, classifier = torch.randn(6), head(0.5)
    ours = dropout_members(classifier, pooled, members=20_000).numpy()
    theirs = torch.stack([classifier.train()(pooled) for _ in range(20_000)]).numpy()
    np.testing.assert_allclose(ours.mean(axis=0), classifier.eval()(pooled).numpy(), atol=0.02)
    np.testing.assert_allclose(ours.std(axis=0), theirs.std(axis=0), rtol=0.03)


@torch.inference_mode()
def test_they_repeat_themselves() -> None:
    pooled, classifier = torch.randn(6), head(0.5)
    assert torch.equal(dropout_members(classifier, pooled), dropout_members(classifier, pooled))
