"""Crops per second and memory of a loader with two workers, in steady state."""

from __future__ import annotations

import contextlib
import itertools
import math
import os
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

import psutil
import torch
from torch.utils.data import DataLoader

from pipelines.bench.training_contenders import PATCH, Crops, ours
from pipelines.bench.training_data import Stored

WORKERS, BATCH = 2, 2
_WARM_BATCHES = 8  # the workers have started and their queues are full
_SAMPLE_SECONDS = 0.2


def crops_per_second(data: Crops, crops_per_item: int, *, seconds: float) -> float:
    """Over ``seconds`` after a warm-up; the queues are as full at the end as at the start."""
    with _one_thread():
        batches = iter(_loader(data, max(1, BATCH // crops_per_item)))
        for _ in itertools.islice(batches, _WARM_BATCHES):
            pass
        start, crops = time.perf_counter(), 0
        while (passed := time.perf_counter() - start) < seconds:
            crops += next(batches)[0].numel() // math.prod(PATCH)
        del batches
    return crops / passed


def peak_memory_mb(volumes: Sequence[Stored], seed: int, *, crops: int) -> float:
    """Peak of a fresh process and its workers that draw ``crops`` from ``volumes``, in MB.

    The proportional set size: pages that processes share count once, the disk's cache does not count.
    """
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_peak, list(volumes), seed, crops).result()


def _peak(volumes: Sequence[Stored], seed: int, crops: int) -> float:
    torch.set_num_threads(1)
    peak, done = [0.0], threading.Event()
    watch = threading.Thread(target=_watch, args=(peak, done), daemon=True)
    watch.start()
    for _ in itertools.islice(_loader(ours(volumes, seed), BATCH), crops // BATCH):
        pass
    done.set()
    watch.join()
    return peak[0]


def _watch(peak: list[float], done: threading.Event) -> None:
    own = psutil.Process(os.getpid())
    while not done.wait(_SAMPLE_SECONDS):
        total = 0
        for process in [own, *own.children(recursive=True)]:
            try:
                total += process.memory_full_info().pss
            except psutil.Error:  # it has just ended
                continue
        peak[0] = max(peak[0], total / 1e6)


def _loader(data: Crops, batch_size: int) -> DataLoader[Any]:
    return DataLoader(data, batch_size=batch_size, shuffle=False, num_workers=WORKERS)


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """torch in this process leaves the cores to the workers."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
