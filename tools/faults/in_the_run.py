"""An extension of train_net.py (EXTENSIONS) that counts iterations and does what FAULTS says."""

import os
import resource
import signal
import time
from pathlib import Path
from typing import Any

from detectron2.config import CfgNode
from detectron2.utils import comm

from inet_d2.engine import INetTrainer

COUNT_FILE = "iterations_done"
_LARGEST_FILE = 100_000  # bytes; logs fit, a checkpoint does not
_SMALLEST_FILE = 100  # the count fits, logs do not

_run_step, _test = INetTrainer.run_step, INetTrainer.test


def add_config(cfg: CfgNode) -> None:
    """Add the keys: what to do (a name in ``DEEDS``; "" for nothing), in which process, before which iteration."""
    cfg.FAULTS = CfgNode({"DEED": "", "RANK": 0, "ITERATION": 0})


def fill_disk(largest: int = _LARGEST_FILE) -> None:
    """From now on this process cannot write a file beyond a size, as on a full disk."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest, resource.RLIM_INFINITY))


DEEDS = {
    "die": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "hang": lambda: time.sleep(100_000),
    "fill disk": fill_disk,
    "fill disk wholly": lambda: fill_disk(_SMALLEST_FILE),
}


def run_step(self: INetTrainer) -> None:
    """One iteration, which is counted in a file of OUTPUT_DIR when it is done."""
    _do(self.cfg, self.iter)
    _run_step(self)
    if comm.is_main_process():
        with Path(self.cfg.OUTPUT_DIR, COUNT_FILE).open("ab") as file:
            file.write(b".")


def test(cls: type[INetTrainer], cfg: CfgNode, *arguments: Any) -> dict:
    """An evaluation; it counts as what comes before iteration MAX_ITER."""
    _do(cfg, cfg.SOLVER.MAX_ITER)
    return _test.__func__(cls, cfg, *arguments)


def _do(cfg: CfgNode, iteration: int) -> None:
    fault = cfg.FAULTS
    if fault.DEED and (comm.get_rank(), iteration) == (fault.RANK, fault.ITERATION):
        DEEDS[fault.DEED]()


INetTrainer.run_step, INetTrainer.test = run_step, classmethod(test)
