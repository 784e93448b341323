"""One training run shared by several processes: each takes its rows of every batch, gradients are added up.

    torchrun --standalone --nproc-per-node=2 script.py      # script: with processes.joined(): loop.train(...)

Data parallelism on torch's own engine: ``torchrun`` starts the processes, gloo (CPU) or NCCL (CUDA) connects
them. The loop in :mod:`course_lib.train.loop` asks this module who it is, and is otherwise the same.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields, replace

import torch
from torch import Tensor, distributed, nn

from course_lib import runtime

__all__ = ["add_up", "joined", "rank", "share", "start_alike"]


@contextmanager
def joined() -> Iterator[tuple[int, int]]:
    """Join the processes that ``torchrun`` started with this one; yields (own number, how many).

    Without ``torchrun`` this process is alone: (0, 1). On CUDA every process of a machine takes a GPU of its own.
    """
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        yield 0, 1
        return
    device, local, here = runtime.device(), int(os.environ["LOCAL_RANK"]), int(os.environ["LOCAL_WORLD_SIZE"])
    if device.type == "cuda":
        if here > torch.cuda.device_count() or (device.index is not None and here > 1):
            raise ValueError(
                f"{here} processes on this machine need a GPU each: there are {torch.cuda.device_count()}, and "
                f"COURSE_DEVICE={os.environ.get('COURSE_DEVICE', '')!r}. Start fewer, unset it, or set it to cpu."
            )
        torch.cuda.set_device(local if device.index is None else device)
    elif device.type != "cpu":
        raise ValueError(f"Processes cannot share the device {device.type!r}; set COURSE_DEVICE=cpu.")
    distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield rank()
    finally:
        distributed.destroy_process_group()


def rank() -> tuple[int, int]:
    """Return this process's number and how many train together: (0, 1) when it is alone."""
    if distributed.is_available() and distributed.is_initialized():
        return distributed.get_rank(), distributed.get_world_size()
    return 0, 1


def start_alike(model: nn.Module) -> None:
    """Give every process the first one's weights."""
    if rank()[1] > 1:
        for value in model.state_dict().values():
            distributed.broadcast(value, src=0)


def share(batch):
    """Take this process's rows of a :class:`course_lib.train.objectives.Batch`: whatever has one entry per row is cut.

    ``targets`` has one per selected position, row by row, so that each process's stand together. All of the
    batch when the process is alone.
    """
    mine, processes = rank()
    if processes == 1:
        return batch
    targets = batch.targets.split([int(rows.sum()) for rows in batch.select.tensor_split(processes)])[mine]
    cut = {
        field.name: value.tensor_split(processes)[mine]
        for field in fields(batch)
        if field.name != "targets"
        and isinstance(value := getattr(batch, field.name), Tensor)
        and len(value) == len(batch.select)
    }
    return replace(batch, targets=targets, **cut)


def add_up(model: nn.Module, *numbers: Tensor) -> tuple[Tensor, ...]:
    """Sum the gradients in place over all processes, in one message that carries some numbers along.

    numbers: 0-dimensional. Returns their sums, the numbers themselves when the process is alone.
    """
    if rank()[1] == 1:
        return numbers
    gradients = [p.grad for p in model.parameters() if p.grad is not None]
    message = torch.cat([*(g.flatten() for g in gradients), torch.stack([n.float() for n in numbers])])
    distributed.all_reduce(message)
    *sums, numbers = message.split([g.numel() for g in gradients] + [len(numbers)])
    for gradient, total in zip(gradients, sums, strict=True):
        gradient.copy_(total.view_as(gradient))
    return numbers.unbind()
