"""What happens inside a process that trains: Lightning, one step after another, one file per epoch."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import lightning.pytorch as lightning
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback, Checkpoint
from lightning.pytorch.strategies import DDPStrategy
from torch.utils.data import DataLoader
from tqdm import tqdm

from components.models.native_bfloat16 import native_bfloat16
from components.models.training_plan import Precision

OnEpoch = Callable[[str, int, float], None]


@dataclass(frozen=True, kw_only=True)
class Run:
    """See ``fit``; ``last`` is the epoch to stop before."""

    name: str
    epochs: int
    last: int
    seed: int
    checkpoint: Path
    precision: Precision
    accumulate: int = 1


@contextmanager
def _quiet_lightning() -> Iterator[None]:
    """No advertisements, no advice about workers: the bar and the loss are what a reader needs."""
    logger = logging.getLogger("lightning.pytorch")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings(
                "ignore", message=".*(many workers|logging interval|LeafSpec|in eval mode).*"
            )
            yield
    finally:
        logger.setLevel(level)


@_quiet_lightning()
def train_here(
    module: lightning.LightningModule,
    loader: DataLoader[Any],
    run: Run,
    *,
    on_epoch: OnEpoch | None,
    progress: TextIO | None,
    devices: int = 1,
) -> list[float]:
    """Train ``module`` in this process, one of ``devices`` that share each batch; the mean loss per epoch."""
    losses = _Losses(run.name, on_epoch)
    run.checkpoint.parent.mkdir(parents=True, exist_ok=True)
    trainer = lightning.Trainer(
        max_epochs=run.last,
        accelerator="gpu" if a_gpu_each(devices) else "cpu",
        devices=devices,
        strategy=DDPStrategy() if devices > 1 else "auto",
        use_distributed_sampler=False,  # the loader already knows its share
        precision=native_precision(run.precision, devices),
        accumulate_grad_batches=run.accumulate,
        sync_batchnorm=devices > 1 and a_gpu_each(devices),
        callbacks=[
            _SeedPerStep(run.seed),
            losses,
            _Bar(run.name, run.epochs, progress),
            _EpochCheckpoint(run.checkpoint),
        ],
        logger=False,
        enable_checkpointing=True,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=run.checkpoint.parent,
        gradient_clip_val=1.0,
    )
    resume = run.checkpoint if run.checkpoint.is_file() else None
    with torch.random.fork_rng():
        trainer.fit(module.train(), loader, ckpt_path=resume, weights_only=True)
    module.eval()
    return losses.values


def a_gpu_each(devices: int) -> bool:
    """Whether there is a GPU for each of ``devices`` processes; else they all compute on the processor."""
    return torch.cuda.is_available() and torch.cuda.device_count() >= devices


def native_precision(wanted: Precision, devices: int = 1) -> str:
    """Lightning's name: bfloat16 only where the hardware has it, since emulating it is far slower."""
    if wanted == "float32":
        return "32-true"
    if wanted == "bfloat16":
        return "bf16-mixed"
    device = torch.device("cuda" if a_gpu_each(devices) else "cpu")
    return "bf16-mixed" if native_bfloat16(device) else "32-true"


class _SeedPerStep(Callback):  # type: ignore[misc]
    def __init__(self, seed: int) -> None:
        self.seed = seed

    def on_train_batch_start(self, trainer: Any, _module: Any, _batch: Any, number: int, *_: Any) -> None:
        step = trainer.current_epoch * int(trainer.num_training_batches) + number
        rank = [trainer.global_rank] if trainer.global_rank else []
        state = np.random.SeedSequence([self.seed, step, *rank]).generate_state(2)
        torch.manual_seed(int(state[0]) << 32 | int(state[1]))


class _Losses(Callback):  # type: ignore[misc]
    """Mean loss per epoch; part of the checkpoint, so that a resumed run knows its whole curve."""

    def __init__(self, name: str, on_epoch: OnEpoch | None) -> None:
        self.name, self.on_epoch = name, on_epoch
        self.values: list[float] = []
        self._steps: list[torch.Tensor] = []

    def on_train_start(self, *_: Any) -> None:
        for epoch, loss in enumerate(self.values):
            self._tell(epoch, loss)

    def on_train_batch_end(self, trainer: Any, _module: Any, outputs: Any, *_: Any) -> None:
        self._steps.append(outputs["loss"].detach() * trainer.accumulate_grad_batches)

    def on_train_epoch_end(self, trainer: Any, *_: Any) -> None:
        mean = torch.stack(self._steps).mean()
        self.values.append(float(trainer.strategy.reduce(mean, reduce_op="mean")))
        self._steps.clear()
        self._tell(len(self.values) - 1, self.values[-1])

    def _tell(self, epoch: int, loss: float) -> None:
        if self.on_epoch:
            self.on_epoch(self.name, epoch, loss)

    def state_dict(self) -> dict[str, Any]:
        return {"values": list(self.values)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.values = list(state_dict["values"])


class _EpochCheckpoint(Checkpoint):  # type: ignore[misc]
    def __init__(self, path: Path) -> None:
        self.path = path

    def on_train_epoch_end(self, trainer: Any, *_: Any) -> None:
        unfinished = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        trainer.save_checkpoint(unfinished, weights_only=False)
        if trainer.is_global_zero:
            os.replace(unfinished, self.path)


class _Bar(Callback):  # type: ignore[misc]
    def __init__(self, name: str, epochs: int, stream: TextIO | None) -> None:
        self.name, self.epochs, self.stream = name, epochs, stream
        self._bar: Any = None

    def on_train_start(self, trainer: Any, *_: Any) -> None:
        steps = int(trainer.num_training_batches)
        self._bar = tqdm(
            desc=self.name,
            total=steps * self.epochs,
            initial=steps * int(trainer.current_epoch),
            file=self.stream or sys.stderr,
            disable=self.stream is None,
            unit="step",
            mininterval=1.0,
        )

    def on_train_batch_end(self, trainer: Any, _module: Any, outputs: Any, *_: Any) -> None:
        self._bar.update(1)
        loss = float(outputs["loss"]) * trainer.accumulate_grad_batches
        self._bar.set_postfix(loss=f"{loss:.3f}", refresh=False)

    def on_train_end(self, *_: Any) -> None:
        self._bar.close()

    def on_exception(self, *_: Any) -> None:
        if self._bar is not None:
            self._bar.close()
