"""The steps of one training of the segmenter, each judged and recorded."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from torch import Tensor

from components.models.acceptance import Judgement, judge
from components.models.fit import OnEpoch, batches, fit, seeded
from components.models.labeled import LabeledFrame
from components.models.patches import PatchDataset
from components.models.pretraining import pretrain_encoder
from components.models.relabel import label_set_sha256
from components.models.segmentation import SegmentationModule
from components.models.training_plan import SegmentationPlan
from components.models.unet import UNet


class RoundLog(Protocol):
    """Who keeps a record of the rounds, an MLflow run for each say."""

    def begin(self, step: str, facts: Mapping[str, str]) -> None:
        """A step begins; ``facts`` names its label set by hash."""
        ...

    def end(self, step: str, facts: Mapping[str, Any]) -> None:
        """A step has ended: what it measured, and whether it was ``accepted``."""
        ...


class Student(NamedTuple):
    """A network, the frames that it learned from, and what the held-out experts say of it."""

    network: UNet
    frames: Sequence[LabeledFrame]
    judgement: Judgement


@dataclass(kw_only=True)
class TrainingSteps:
    """The steps of one training, in their order.

    Args:
        structures: classes without background.
        plan: see ``SegmentationPlan``.
        checkpoints: folder of this very run.
        on_epoch: called with (step, epoch, loss).
        log: keeps a record of each step.
        judging: frames of held-out expert patients.
        curves, rounds: step → losses, and what each step says of itself.
    """

    structures: int
    plan: SegmentationPlan
    checkpoints: Path
    on_epoch: OnEpoch | None
    log: RoundLog | None
    judging: Sequence[LabeledFrame]
    curves: dict[str, list[float]] = field(default_factory=dict)
    rounds: list[dict[str, Any]] = field(default_factory=list)
    _encoder: dict[str, Tensor] = field(default_factory=dict)

    def pretrain(self, pool: Sequence[LabeledFrame]) -> None:
        """Let every new network start with an encoder that has seen the images of ``pool``."""
        self._encoder = pretrain_encoder(
            pool, self.plan, checkpoints=self.checkpoints, on_epoch=self.on_epoch
        )

    def step(
        self, name: str, frames: Sequence[LabeledFrame], *, epochs: int, start: UNet | None = None
    ) -> Student:
        """Train a network, a new one or a copy of ``start`` that goes on, and judge it."""
        plan, number = self.plan, len(self.curves)
        facts = {"step": name, "label_set_sha256": label_set_sha256(frames), "frames": len(frames)}
        self.rounds.append(facts)
        if self.log is not None:
            self.log.begin(name, {"label_set_sha256": str(facts["label_set_sha256"])})
        network = self._new_network() if start is None else copy.deepcopy(start)
        data = PatchDataset(
            frames,
            plan,
            expert_share=None if start is None else plan.expert_share,
            length=plan.steps_per_epoch * plan.batch_size,
            stream=number,
        )
        module = SegmentationModule(
            network,
            rate=plan.learning_rate if start is None else plan.fine_tune_rate,
            weight_decay=plan.weight_decay,
            steps=epochs * plan.steps_per_epoch,
            recipe=plan.recipe,
        )
        self.curves[name] = fit(
            module,
            batches(data, batch_size=plan.batch_size, workers=plan.workers),
            name=name,
            epochs=epochs,
            seed=plan.seed,
            checkpoint=self.checkpoints / f"{number}-{name}.ckpt",
            precision=plan.used_precision,
            devices=plan.devices,
            on_epoch=self.on_epoch,
        )
        return Student(network, frames, self._judged(network))

    def close(self, *, accepted: bool, **measured: float | str) -> None:
        """Record what the last step measured, whether its student is kept, and why no round follows."""
        self.rounds[-1] |= {"accepted": accepted, **measured}
        if self.log is not None:
            self.log.end(str(self.rounds[-1]["step"]), self.rounds[-1])

    def _new_network(self) -> UNet:
        network = seeded(lambda: UNet(self.plan.network(self.structures)), self.plan.seed)
        network.load_state_dict(self._encoder, strict=False)  # nothing, or the encoder alone
        return network

    def _judged(self, network: UNet) -> Judgement:
        judgement = judge(network, self.judging, self.plan)
        if judgement.dice:
            self.rounds[-1] |= {
                "held_out_dice": round(judgement.mean, 6),
                "held_out_patients": len(judgement.dice),
            }
        return judgement
