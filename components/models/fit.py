"""One training run that can be killed at any time and, started again, ends with the same weights.

Everything random follows from (seed, step), the order of the data from (seed, epoch), and the state at the
end of each epoch is kept in one file.
"""

from __future__ import annotations

import logging
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, TextIO, TypeVar

import lightning.pytorch as lightning
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback, Checkpoint
from torch.utils.data import DataLoader, Sampler
from tqdm import tqdm

from components.models.native_bfloat16 import native_bfloat16
from components.models.training_plan import Precision

OnEpoch = Callable[[str, int, float], None]
Built = TypeVar("Built")


class Sized(Protocol):
    """A dataset whose items are numbered on and on, epoch after epoch."""

    def __len__(self) -> int: ...

    def __getitem__(self, number: int) -> Any: ...


class NumberedEpochs(Sampler[int]):
    """Numbers ``epoch · n … (epoch + 1) · n - 1``; Lightning sets the epoch."""

    def __init__(self, length: int) -> None:
        self.length, self.epoch = length, 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return self.length

    def __iter__(self) -> Iterator[int]:
        return iter(range(self.epoch * self.length, (self.epoch + 1) * self.length))


def batches(data: Sized, *, batch_size: int, workers: int = 0) -> DataLoader[Any]:
    """A loader whose n-th batch of the e-th epoch is always the same."""
    return DataLoader(
        data,  # type: ignore[arg-type]
        batch_size=batch_size,
        sampler=NumberedEpochs(len(data)),
        num_workers=workers,
        drop_last=len(data) >= batch_size,
        persistent_workers=False,
    )


def seeded(build: Callable[[], Built], seed: int) -> Built:
    """``build()`` with torch's generator at ``seed``; the generator is put back afterwards."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return build()


@contextmanager
def _quiet_lightning() -> Iterator[None]:
    """No advertisements, no advice about workers: the bar and the loss are what a reader needs."""
    logger = logging.getLogger("lightning.pytorch")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*(many workers|logging interval|LeafSpec).*")
            yield
    finally:
        logger.setLevel(level)


@_quiet_lightning()
def fit(
    module: lightning.LightningModule,
    loader: DataLoader[Any],
    *,
    name: str,
    epochs: int,
    seed: int,
    checkpoint: Path,
    precision: Precision = "auto",
    stop_after: int | None = None,
    on_epoch: OnEpoch | None = None,
    progress: TextIO | None = sys.stderr,
) -> list[float]:
    """Train ``module`` in place and return the mean loss of each epoch.

    Args:
        name: shown in the progress bar and given to ``on_epoch``.
        epochs: in all; those that ``checkpoint`` already holds are not run again.
        seed: of dropout; the data carry their own.
        checkpoint: file of the state after the last complete epoch; the caller names it by everything
            that determines the run and removes it when done.
        precision: ``auto`` takes bfloat16 only where the processor computes in it.
        stop_after: stop after this many epochs of the ``epochs`` (to continue another time).
        on_epoch: called with (name, epoch, loss), for the epochs of the checkpoint too.
        progress: where the bar goes; never standard output.
    """
    losses = _Losses(name, on_epoch)
    trainer = lightning.Trainer(
        max_epochs=epochs if stop_after is None else min(stop_after, epochs),
        accelerator="auto",
        devices=1,
        precision=native_precision(precision),
        callbacks=[_SeedPerStep(seed), losses, _Bar(name, epochs, progress), _EpochCheckpoint(checkpoint)],
        logger=False,
        enable_checkpointing=True,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=checkpoint.parent,
        gradient_clip_val=1.0,
    )
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    resume = checkpoint if checkpoint.is_file() else None
    with torch.random.fork_rng():
        trainer.fit(module.train(), loader, ckpt_path=resume, weights_only=True)
    module.eval()
    return losses.values


def native_precision(wanted: Precision) -> str:
    """Lightning's name: bfloat16 only where the hardware has it, since emulating it is far slower."""
    if wanted == "float32":
        return "32-true"
    if wanted == "bfloat16":
        return "bf16-mixed"
    return "bf16-mixed" if native_bfloat16() else "32-true"


class _SeedPerStep(Callback):  # type: ignore[misc]
    def __init__(self, seed: int) -> None:
        self.seed = seed

    def on_train_batch_start(self, trainer: Any, *_: Any) -> None:
        state = np.random.SeedSequence([self.seed, trainer.global_step]).generate_state(2)
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

    def on_train_batch_end(self, _trainer: Any, _module: Any, outputs: Any, *_: Any) -> None:
        self._steps.append(outputs["loss"].detach())

    def on_train_epoch_end(self, *_: Any) -> None:
        self.values.append(float(torch.stack(self._steps).mean()))
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
            initial=int(trainer.global_step),
            file=self.stream or sys.stderr,
            disable=self.stream is None,
            unit="step",
            mininterval=1.0,
        )

    def on_train_batch_end(self, _trainer: Any, _module: Any, outputs: Any, *_: Any) -> None:
        self._bar.update(1)
        self._bar.set_postfix(loss=f"{float(outputs['loss']):.3f}", refresh=False)

    def on_train_end(self, *_: Any) -> None:
        self._bar.close()

    def on_exception(self, *_: Any) -> None:
        if self._bar is not None:
            self._bar.close()
