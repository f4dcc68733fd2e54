"""Runs a function in the processes of a job: one, several that it starts, or those that torchrun has started."""

import os
import sys
from collections.abc import Callable
from datetime import timedelta

import torch
from detectron2.engine import launch
from detectron2.utils import comm
from torch import distributed
from torch.multiprocessing import ProcessExitedException, ProcessRaisedException


def run_in_processes(
    main: Callable[..., None],
    args: tuple,
    *,
    per_machine: int = 1,
    num_machines: int = 1,
    machine_rank: int = 0,
    dist_url: str = "auto",
    device: str = "cpu",
    timeout: timedelta = timedelta(minutes=30),
) -> int:
    """Run ``main(*args)`` in every process of the job.

    Tensors travel by nccl on GPUs and by gloo on CPUs.

    Args:
        main: a function of a module (it is pickled); ends with SystemExit where it cannot go on.
        args: its arguments.
        per_machine: processes on every machine. torchrun's numbers, where it started this process, win over this and
            over the next three.
        num_machines: machines of the job.
        machine_rank: number of this machine.
        dist_url: where the processes meet; "auto" is a free port of this machine.
        device: MODEL.DEVICE.
        timeout: how long a process waits for the others before it gives up.

    Returns:
        Exit code: 0, or what ``main`` or a process ended with; 3 if one was killed or all the others waited in vain.

    Raises:
        ValueError: the machine has fewer GPUs, or this is a process of torchrun and ``per_machine`` is more than 1.
    """
    if not device.startswith("cuda"):
        os.environ["CUDA_VISIBLE_DEVICES"] = ""  # or Detectron2 would exchange tensors between GPUs
    elif per_machine > torch.cuda.device_count():
        raise ValueError(
            f"--num-gpus: expected at most {torch.cuda.device_count()} on this machine, found {per_machine}."
        )
    if "TORCHELASTIC_RUN_ID" in os.environ:
        if per_machine * num_machines > 1:
            raise ValueError("--num-gpus, --num-machines: torchrun has started the processes; leave these out.")
        _run_under_torchrun(main, args, device, timeout)
        return 0
    try:
        launch(main, per_machine, num_machines, machine_rank, dist_url, args, timeout)
    except ProcessExitedException as error:
        return _explain_exit(error)
    except ProcessRaisedException as error:
        sys.stderr.write(f"{error}\n")
        if "timed out" in str(error).lower():
            sys.stderr.write(f"error: a process did not answer within {timeout} (--dist-timeout).\n")
            return 3
        return 1
    return 0


def _explain_exit(error: ProcessExitedException) -> int:
    if error.signal_name is None:
        return error.exit_code  # it has told why
    sys.stderr.write(
        f"error: process {error.error_index} was ended by {error.signal_name}, and the others with it; --resume goes "
        "on from the last checkpoint.\n"
    )
    return 3


def _run_under_torchrun(main: Callable[..., None], args: tuple, device: str, timeout: timedelta) -> None:
    if device.startswith("cuda"):
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    distributed.init_process_group("nccl" if device.startswith("cuda") else "gloo", timeout=timeout)
    # Detectron2's notion of a machine; the embedded engine has none.
    if "create_local_process_group" in vars(comm):
        comm.create_local_process_group(int(os.environ["LOCAL_WORLD_SIZE"]))
    comm.synchronize()
    main(*args)
    distributed.destroy_process_group()
