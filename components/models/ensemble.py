"""Many passes as one: the references that a single pass is measured against.

A deep ensemble (Lakshminarayanan et al. 2017) is the run of each of its networks; Monte Carlo dropout (Gal &
Ghahramani 2016) is several runs of one network whose dropout stays on. Both cost as many passes as they have members.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor, nn

from components.models.engine import Engine, Run
from components.models.segmentation_predictor import SegmentationPredictor
from components.models.sliding_window import WindowScores, hard
from components.models.unet import UNet


@dataclass(frozen=True, kw_only=True, eq=False)
class Ensemble:
    """A ``Run`` of members that each answer for themselves: mean probabilities, labels of each, mean entropy.

    Args:
        members: two or more runs of single-headed networks.
    """

    members: Sequence[Run]

    def __call__(self, x_bczyx: Tensor) -> WindowScores:
        mean: Tensor | None = None
        entropy, labels = torch.zeros((), device=x_bczyx.device), []
        for run in self.members:
            answer = run(x_bczyx)
            labels.append(hard(answer.scores))
            entropy = entropy + torch.special.entr(answer.scores).sum(dim=0)
            mean = answer.scores.clone() if mean is None else mean.add_(answer.scores)
            embedding = answer.embedding.clone()
        assert mean is not None
        count = len(self.members)
        return WindowScores(
            scores=mean / count, members=torch.stack(labels), embedding=embedding, entropy=entropy / count
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class DropoutRun:
    """A ``Run`` of a single-headed network with its dropout on; equal numbers and windows give equal answers."""

    network: nn.Module
    number: int

    def __call__(self, x_bczyx: Tensor) -> WindowScores:
        with torch.random.fork_rng():
            torch.manual_seed(self.number)
            logits_bmkzyx, embedding = self.network(x_bczyx)
        none = torch.zeros((0, *x_bczyx.shape[2:]), dtype=torch.uint8, device=x_bczyx.device)
        return WindowScores(
            scores=logits_bmkzyx[0, 0].float().softmax(dim=0), members=none, embedding=embedding[0].float()
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class EnsemblePredictor(SegmentationPredictor):
    """A ``SegmentationPredictor`` that runs ``members`` where others run their heads."""

    members: Ensemble

    @cached_property
    def engine(self) -> Engine:
        return Engine(name=f"{len(self.members.members)} passes", run=self.members)


def ensemble_predictor(like: SegmentationPredictor, members: Ensemble) -> EnsemblePredictor:
    """With input contract and label names of ``like``."""
    architecture = {**like.description.architecture, "heads": len(members.members)}
    return EnsemblePredictor(
        network=like.network,
        description=replace(like.description, architecture=architecture),
        device=like.device,
        precision=like.precision,
        members=members,
    )


def with_dropout(network: UNet, rate: float) -> UNet:
    """A copy whose every block ends in channel dropout of ``rate``; its weights keep their names."""
    changed = copy.deepcopy(network)
    for block in list(changed.modules()):
        if isinstance(block, nn.Sequential) and any(isinstance(part, nn.InstanceNorm3d) for part in block):
            block.append(nn.Dropout3d(rate))
    return changed


def monte_carlo_dropout(network: UNet, passes: int) -> Ensemble:
    """``passes`` runs of ``network``, which is put into evaluation mode but for its dropout."""
    network.eval()
    for module in network.modules():
        if isinstance(module, nn.Dropout3d):
            module.train()
    return Ensemble(members=[DropoutRun(network=network, number=number) for number in range(passes)])
