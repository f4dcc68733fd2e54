import os
import platform
from importlib import metadata

import torch
from tabulate import tabulate

from .. import __d2lite__


def collect_env_info() -> str:
    """A table of the engine in use, its versions and devices, for the head of a log."""
    here = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    rows = [("detectron2", f"embedded engine {__d2lite__} @{here}"), ("Python", platform.python_version())]
    rows += [(name, metadata.version(name)) for name in ("numpy", "torch", "torchvision", "Pillow", "fvcore", "iopath")]
    gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return tabulate([*rows, ("GPUs", ", ".join(gpus) or "none"), ("CPU cores", os.cpu_count())])
