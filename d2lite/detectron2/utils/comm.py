"""Communication between the processes of a job; everything works in a job of one process, too."""

import functools
from typing import Any

import numpy as np
import torch
import torch.distributed as dist


def get_world_size() -> int:
    return dist.get_world_size() if dist.is_initialized() else 1


def get_rank() -> int:
    return dist.get_rank() if dist.is_initialized() else 0


def is_main_process() -> bool:
    return get_rank() == 0


def synchronize() -> None:
    """Wait for all processes."""
    if get_world_size() > 1:
        nccl = dist.get_backend() == "nccl"
        dist.barrier(device_ids=[torch.cuda.current_device()] if nccl else None)


@functools.cache
def _object_group():
    """Objects travel over gloo, also in a job whose tensors use nccl."""
    return dist.new_group(backend="gloo") if dist.get_backend() == "nccl" else dist.group.WORLD


def all_gather(data: Any) -> list:
    """A list with the picklable `data` of every rank, on every rank."""
    if get_world_size() == 1:
        return [data]
    output = [None] * get_world_size()
    dist.all_gather_object(output, data, group=_object_group())
    return output


def gather(data: Any, dst: int = 0) -> list:
    """A list with the picklable `data` of every rank on rank `dst`, [] on the others."""
    if get_world_size() == 1:
        return [data]
    output = [None] * get_world_size() if get_rank() == dst else None
    dist.gather_object(data, output, dst=dst, group=_object_group())
    return output or []


def shared_random_seed() -> int:
    """A random number below 2**31, the same on all ranks; all ranks must call it."""
    return all_gather(np.random.randint(2**31))[0]  # noqa: NPY002
