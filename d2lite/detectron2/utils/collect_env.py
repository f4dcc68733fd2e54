import importlib
import os
import platform

import torch
from tabulate import tabulate

from .. import __d2lite__


def collect_env_info() -> str:
    """A table of the engine in use, its versions and devices, for the head of a log."""
    here = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    rows = [("detectron2", f"embedded engine {__d2lite__} @{here}"), ("Python", platform.python_version())]
    for name in ("numpy", "torch", "torchvision", "PIL", "fvcore", "iopath", "pycocotools"):
        try:
            rows.append((name, getattr(importlib.import_module(name), "__version__", "installed")))
        except ImportError:
            rows.append((name, "not installed"))
    gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return tabulate([*rows, ("GPUs", ", ".join(gpus) or "none"), ("CPU cores", os.cpu_count())])
