"""One training run that can be killed at any time and, started again, ends with the same weights.

Everything random follows from (seed, step), the order of the data from (seed, epoch), and the state at the
end of each epoch is kept in one file.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol, TextIO, TypeVar

import lightning.pytorch as lightning
import torch
from torch.utils.data import DataLoader, Sampler

from components.models.training_plan import Precision
from components.models.training_run import OnEpoch, Run, native_precision, train_here

__all__ = ["OnEpoch", "batches", "fit", "native_precision", "seeded"]

Built = TypeVar("Built")


class Sized(Protocol):
    """A dataset whose items are numbered on and on, epoch after epoch."""

    def __len__(self) -> int: ...

    def __getitem__(self, number: int) -> Any: ...


class NumberedEpochs(Sampler[int]):
    """Numbers ``epoch · n … (epoch + 1) · n - 1``; Lightning sets the epoch.

    Args:
        length: numbers per epoch, in all processes.
        part, parts: this process takes its consecutive part of every ``parts · batch`` numbers, so that all
            together see, batch by batch, what one process would.
        batch: of one process.
    """

    def __init__(self, length: int, *, batch: int = 1, part: int = 0, parts: int = 1) -> None:
        self.length, self.epoch = length, 0
        self.batch, self.part, self.parts = batch, part, parts

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self._own())

    def __iter__(self) -> Iterator[int]:
        return (self.epoch * self.length + number for number in self._own())

    def _own(self) -> range | list[int]:
        if self.parts == 1:
            return range(self.length)
        whole = self.length // (self.batch * self.parts) * self.batch * self.parts
        return [n for n in range(whole) if n // self.batch % self.parts == self.part]


def batches(
    data: Sized, *, batch_size: int, workers: int = 0, part: int = 0, parts: int = 1
) -> DataLoader[Any]:
    """A loader whose n-th batch of the e-th epoch is always the same: a ``part`` of it, of ``parts``."""
    own = batch_size // parts
    return DataLoader(
        data,  # type: ignore[arg-type]
        batch_size=own,
        sampler=NumberedEpochs(len(data), batch=own, part=part, parts=parts),
        num_workers=workers,
        drop_last=len(data) >= batch_size,
        persistent_workers=False,
    )


def seeded(build: Callable[[], Built], seed: int) -> Built:
    """``build()`` with torch's generator at ``seed``; the generator is put back afterwards."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return build()


def fit(
    module: lightning.LightningModule,
    loader: DataLoader[Any],
    *,
    name: str,
    epochs: int,
    seed: int,
    checkpoint: Path,
    precision: Precision = "auto",
    devices: int = 1,
    accumulate: int = 1,
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
        devices: processes, each with a GPU where there are any, that share every batch of ``loader``; the
            result is that of one process up to the order of sums.
        accumulate: batches of ``loader`` to a step of the optimiser, which takes the mean of their losses.
        stop_after: stop after this many epochs of the ``epochs`` (to continue another time).
        on_epoch: called with (name, epoch, loss), for the epochs of the checkpoint too.
        progress: where the bar goes; never standard output.
    """
    last = epochs if stop_after is None else min(stop_after, epochs)
    run = Run(
        name=name, epochs=epochs, last=last, seed=seed, checkpoint=checkpoint, precision=precision,
        accumulate=accumulate,
    )  # fmt: skip
    if devices == 1:
        return train_here(module, loader, run, on_epoch=on_epoch, progress=progress)
    from components.models.data_parallel import train_in_processes

    return train_in_processes(module, loader, run, devices=devices, on_epoch=on_epoch, progress=progress)
