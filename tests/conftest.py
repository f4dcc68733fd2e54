"""Fixtures that several test folders share."""

import importlib.util
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import settings

from inet_d2.scenes import make_scenes
from places import ROOT

torch.set_num_threads(1)
settings.register_profile("no deadline", deadline=None)  # a busy machine is not a fault of the code
settings.load_profile("no deadline")


@pytest.fixture(autouse=True)
def loggers_hand_on(monkeypatch):
    """Messages reach caplog, although Detectron2's loggers hand nothing on once a test before has set them up."""
    for name in ("inet_d2", "detectron2"):
        monkeypatch.setattr(logging.getLogger(name), "propagate", True)


@pytest.fixture(scope="session")
def tiny_scenes(tmp_path_factory):
    """Root for DETECTRON2_DATASETS with the tiny scenes in CUHK-SYSU's layout."""
    root = tmp_path_factory.mktemp("datasets")
    make_scenes(root, "tiny", seed=0, progress=False)
    return root


@pytest.fixture
def tiny_datasets(tiny_scenes, monkeypatch):
    """The tiny scenes as the registered data sets."""
    monkeypatch.setenv("DETECTRON2_DATASETS", str(tiny_scenes))
    return tiny_scenes


@pytest.fixture(scope="session")
def run_script():
    """Run one of the repository's scripts in a process of its own: run_script("train_net.py", ...) -> result."""

    def run(script, *arguments, env=None, check=True):
        path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
        result = subprocess.run(
            [sys.executable, str(ROOT / script), *map(str, arguments)],
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", **(env or {})},
        )
        assert not check or result.returncode == 0, result.stdout + result.stderr
        return result

    return run


@pytest.fixture(scope="session")
def load_script():
    """Import one of the repository's scripts, to call its functions without the price of a new process."""

    def load(script):
        spec = importlib.util.spec_from_file_location(Path(script).stem, ROOT / script)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load
