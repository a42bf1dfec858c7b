"""One training in several processes, each with its part of every batch (Lightning DDP).

The processes are started afresh, so that it works from a stage, a notebook or a test alike. They find each
other through a file and talk over the loopback interface only.
"""

from __future__ import annotations

import copy
import os
import socket
import sys
import tempfile
from collections.abc import Mapping
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TextIO

import lightning.pytorch as lightning
import torch
from torch import distributed
from torch.multiprocessing.spawn import (
    ProcessContext,
    ProcessExitedException,
    ProcessRaisedException,
    start_processes,
)
from torch.utils.data import DataLoader

from components.errors import ParameterError, StateError
from components.models.fit import batches
from components.models.training_run import OnEpoch, Run, a_gpu_each, train_here

_LOOPBACK = ("lo", "lo0")
_POLL_SECONDS = 0.1


def train_in_processes(
    module: lightning.LightningModule,
    loader: DataLoader[Any],
    run: Run,
    *,
    devices: int,
    on_epoch: OnEpoch | None,
    progress: TextIO | None,
) -> list[float]:
    """As ``train_here``, in ``devices`` processes; the first alone writes checkpoints and shows progress.

    Raises ``ParameterError`` when the batch does not divide, ``StateError`` when a process fails.
    """
    size = int(loader.batch_size or 1)
    if size % devices or devices < 1:
        raise ParameterError(
            expected=f"a batch_size that {devices} devices can share",
            got=str(size),
            hint="a batch_size that is a multiple of devices in the train section of params.yaml",
        )
    told = get_context("spawn").SimpleQueue()
    with tempfile.TemporaryDirectory() as folder:
        task = {
            "module": module,
            "data": loader.dataset,
            "batch_size": size,
            "workers": loader.num_workers,
            "run": run,
            "devices": devices,
            "threads": max(1, torch.get_num_threads() // devices),
            "bar": progress is not None,
            "folder": Path(folder),
        }
        processes: ProcessContext | None = start_processes(  # type: ignore[no-untyped-call]
            _part, (task, told), devices, join=False, start_method="spawn"
        )
        assert processes is not None
        losses = _wait(processes, told, on_epoch)
        module.load_state_dict(torch.load(Path(folder) / "trained", weights_only=True, map_location="cpu"))
    module.eval()
    return losses


def _wait(processes: ProcessContext, told: Any, on_epoch: OnEpoch | None) -> list[float]:
    """Pass the first process's epochs on until all have ended; end all when one of them, or we, fail."""
    losses: list[float] = []
    try:
        ended = False
        while not ended:
            ended = processes.join(timeout=_POLL_SECONDS)
            while not told.empty():
                kind, content = told.get()
                if kind == "losses":
                    losses = content
                elif on_epoch:
                    on_epoch(*content)
    except (ProcessRaisedException, ProcessExitedException) as e:
        raise StateError(
            expected="training processes that end well",
            got=str(e).strip().splitlines()[-1],
            hint="devices: 1 in the train section of params.yaml, to see where",
        ) from e
    finally:
        for process in processes.processes:
            if process.is_alive():
                process.terminate()
            process.join()
    return losses


def _part(rank: int, task: Mapping[str, Any], told: Any) -> None:
    """What each process does."""
    devices, run, folder = task["devices"], task["run"], task["folder"]
    loopback = [name for _, name in socket.if_nameindex() if name in _LOOPBACK]
    for key in ("GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME") if loopback else ():
        os.environ.setdefault(key, loopback[0])
    os.environ.update(LOCAL_RANK=str(rank), NODE_RANK="0", MASTER_ADDR="127.0.0.1")
    torch.set_num_threads(task["threads"])
    distributed.init_process_group(
        "nccl" if a_gpu_each(devices) else "gloo",
        init_method=f"file://{folder / 'meeting'}",
        rank=rank,
        world_size=devices,
    )
    module = copy.deepcopy(task["module"])  # as it arrives, its memory is shared by all processes
    loader = batches(
        task["data"], batch_size=task["batch_size"], workers=task["workers"], part=rank, parts=devices
    )
    losses = train_here(
        module,
        loader,
        run,
        on_epoch=(lambda *epoch: told.put(("epoch", epoch))) if rank == 0 else None,
        progress=sys.stderr if rank == 0 and task["bar"] else None,
        devices=devices,
    )
    if rank == 0:
        torch.save(module.state_dict(), str(folder / "trained"))
        told.put(("losses", losses))
    distributed.barrier()
    distributed.destroy_process_group()
