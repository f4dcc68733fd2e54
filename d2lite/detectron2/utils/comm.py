"""Communication between the processes of a job; everything works in a job of one process, too."""

import functools
from typing import Any

import numpy as np
import torch
import torch.distributed as dist

_LOCAL_GROUP = None


def get_world_size() -> int:
    return dist.get_world_size() if dist.is_initialized() else 1


def get_rank() -> int:
    return dist.get_rank() if dist.is_initialized() else 0


def is_main_process() -> bool:
    return get_rank() == 0


def create_local_process_group(num_workers_per_machine: int) -> None:
    """Make the group of this machine's processes; every process calls it once."""
    global _LOCAL_GROUP
    assert _LOCAL_GROUP is None, "The local process group exists already."
    _LOCAL_GROUP, _ = dist.new_subgroups(num_workers_per_machine)


def get_local_process_group():
    return _LOCAL_GROUP


def get_local_rank() -> int:
    return dist.get_rank(_LOCAL_GROUP) if dist.is_initialized() else 0


def get_local_size() -> int:
    return dist.get_world_size(_LOCAL_GROUP) if dist.is_initialized() else 1


def synchronize() -> None:
    """Wait for all processes."""
    if get_world_size() > 1:
        nccl = dist.get_backend() == "nccl"
        dist.barrier(device_ids=[torch.cuda.current_device()] if nccl else None)


@functools.cache
def _object_group():
    """Objects travel over gloo, also in a job whose tensors use nccl."""
    return dist.new_group(backend="gloo") if dist.get_backend() == "nccl" else dist.group.WORLD


def all_gather(data: Any, group=None) -> list:
    """A list with the picklable `data` of every rank, on every rank."""
    if get_world_size() == 1:
        return [data]
    output = [None] * dist.get_world_size(group)
    dist.all_gather_object(output, data, group=group or _object_group())
    return output


def gather(data: Any, dst: int = 0, group=None) -> list:
    """A list with the picklable `data` of every rank on rank `dst`, [] on the others."""
    if get_world_size() == 1:
        return [data]
    output = [None] * dist.get_world_size(group) if get_rank() == dst else None
    dist.gather_object(data, output, dst=dst, group=group or _object_group())
    return output or []


def shared_random_seed() -> int:
    """A random number below 2**31, the same on all ranks; all ranks must call it."""
    return all_gather(np.random.randint(2**31))[0]  # noqa: NPY002


@torch.no_grad()
def reduce_dict(input_dict: dict[str, torch.Tensor], average: bool = True) -> dict[str, torch.Tensor]:
    """Sum or mean over ranks of a dict of scalar tensors; only rank 0 holds the right values."""
    if get_world_size() < 2:
        return input_dict
    names = sorted(input_dict)
    values = torch.stack([input_dict[name] for name in names])
    dist.reduce(values, dst=0)
    return dict(zip(names, values / get_world_size() if average else values, strict=True))
