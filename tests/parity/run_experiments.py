"""Run every experiment with the engine of this interpreter and keep the results: run_experiments.py FOLDER [OTHER].

With one folder: the experiments, to FOLDER/experiments.pt. With the folder of another engine's run as well: the
exchanges, to FOLDER/exchanges.pt. The file holds {name: {"value": ...} or {"error": ...}}.
"""

import os
import platform
import random
import sys
import traceback
from importlib import import_module
from pathlib import Path

import detectron2
import numpy as np
import PIL
import torch
import torchvision
from detectron2.structures import Boxes, Instances
from experiments import EXCHANGES, EXPERIMENTS
from fvcore.common.config import CfgNode

MODULES = ("configs", "boxes", "regions", "models", "resnets", "images", "loaders", "schedules", "training")


def plain(value):
    """What torch.load(weights_only=True) can read: tensors, numbers and text in dicts and lists."""
    if isinstance(value, torch.Tensor):
        return value.detach().clone().contiguous()
    if isinstance(value, Boxes):
        return plain(value.tensor)
    if isinstance(value, Instances):
        return {"image_size": list(value.image_size), **plain(value.get_fields())}
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
        return torch.from_numpy(value.copy())
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, dict | CfgNode):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"an experiment returned a {type(value).__name__}; return tensors, numbers, text, dicts and lists")


def attempt(function, *arguments) -> dict:
    """One experiment, from fixed seeds, whatever it does."""
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002  (the generator that Detectron2's transforms draw from)
    torch.manual_seed(0)
    try:
        return {"value": plain(function(*arguments))}
    except Exception:  # noqa: BLE001  (the other experiments shall run all the same; the test shows the text)
        return {"error": traceback.format_exc()}


def environment() -> dict:
    return {
        "engine": os.path.dirname(detectron2.__file__),
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "torchvision": torchvision.__version__,
        "numpy": np.__version__,
        "Pillow": PIL.__version__,
    }


def main(folder: Path, other: Path | None = None) -> None:
    torch.set_num_threads(1)
    if other is None:
        for name in MODULES:
            import_module(f"experiments.{name}")
        results = {name: attempt(function, folder) for name, function in EXPERIMENTS.items()}
        torch.save({"environment": environment(), **results}, folder / "experiments.pt")
    else:
        import_module("experiments.exchanges")
        results = {name: attempt(function, folder, other) for name, function in EXCHANGES.items()}
        torch.save(results, folder / "exchanges.pt")


if __name__ == "__main__":
    main(*(Path(argument) for argument in sys.argv[1:]))
