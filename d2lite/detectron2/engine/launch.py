import socket
from collections.abc import Callable
from datetime import timedelta

import torch
import torch.distributed as dist

from ..utils import comm


def launch(
    main_func: Callable, num_gpus_per_machine: int, num_machines: int = 1, machine_rank: int = 0,
    dist_url: str | None = None, args: tuple = (), timeout: timedelta = timedelta(minutes=30)) -> None:  # fmt: skip
    """Run `main_func(*args)` in every process of a job (nccl with CUDA, else gloo); one process is a plain call."""
    world_size = num_machines * num_gpus_per_machine
    if world_size <= 1:
        main_func(*args)
        return
    if dist_url == "auto":
        if num_machines > 1:
            raise ValueError("--dist-url: expected tcp://HOST:PORT for several machines, found auto")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            dist_url = f"tcp://127.0.0.1:{probe.getsockname()[1]}"
    job = {"init_method": dist_url, "world_size": world_size, "timeout": timeout}
    worker_args = (main_func, args, machine_rank * num_gpus_per_machine, job)
    torch.multiprocessing.spawn(_worker, worker_args, nprocs=num_gpus_per_machine)


def _worker(local_rank: int, main_func: Callable, args: tuple, first_rank: int, job: dict) -> None:
    cuda = torch.cuda.is_available()
    if cuda:
        torch.cuda.set_device(local_rank)
    dist.init_process_group("nccl" if cuda else "gloo", rank=first_rank + local_rank, **job)
    comm.synchronize()
    main_func(*args)
    dist.destroy_process_group()
