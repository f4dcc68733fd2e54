"""From command-line arguments to a frozen configuration and open logs."""

import argparse
import importlib
import logging
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import detectron2
import torch
import yaml
from detectron2.config import CfgNode, get_cfg
from detectron2.engine import default_setup
from detectron2.utils import comm
from detectron2.utils.logger import setup_logger

from inet_d2.config import add_inet_config
from inet_d2.data.datasets import register_own_datasets

_logger = logging.getLogger(__name__)


def load_config(config_file: str, opts: Sequence[str] = ()) -> CfgNode:
    """Read a configuration, import the modules that its EXTENSIONS names, register the data sets of DATASETS.OWN.

    Args:
        config_file: path of a yaml file; "" for the defaults.
        opts: KEY VALUE KEY VALUE ..., applied on top.

    Returns:
        The configuration, not frozen. MODEL.DEVICE is "cpu" where it asks for CUDA and there is none.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: a key that does not exist, a value of the wrong type, a KEY without a VALUE, a file that is no
            yaml, a device that there is not, a module in EXTENSIONS that cannot be imported, or an entry of
            DATASETS.OWN that does not fit.
    """
    cfg, opts = get_cfg(), list(opts)
    add_inet_config(cfg)
    _add_extensions(cfg, config_file, opts)
    if config_file:
        with _explained(config_file):
            cfg.merge_from_file(config_file, allow_unsafe=False)
    with _explained("command line"):
        cfg.merge_from_list(opts)
    register_own_datasets(cfg.DATASETS.OWN)
    try:
        device = torch.device(cfg.MODEL.DEVICE)
    except RuntimeError as error:
        raise ValueError(f'MODEL.DEVICE: expected "cpu", "cuda" or "cuda:1", found "{cfg.MODEL.DEVICE}".') from error
    if device.type == "cuda" and not torch.cuda.is_available():
        cfg.MODEL.DEVICE = "cpu"
    return cfg


def config_leaves(node: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Walk a configuration.

    Args:
        node: a configuration, or a dictionary of dictionaries.
        prefix: of the keys.

    Yields:
        Each key that is no node, with its full path, and its value.
    """
    for key, value in node.items():
        if isinstance(value, Mapping):
            yield from config_leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _add_extensions(cfg: CfgNode, config_file: str, opts: list[str]) -> None:
    """Import what EXTENSIONS will name once file and options are merged, which needs the keys added here."""
    names = CfgNode({"EXTENSIONS": cfg.EXTENSIONS})
    if config_file:
        with _explained(config_file):
            content = _read_with_bases(config_file)
            names.merge_from_other_cfg(CfgNode({key: content[key] for key in names if key in content}))
    with _explained("command line"):
        pairs = zip(opts[::2], opts[1::2], strict=False)
        names.merge_from_list([word for pair in pairs if pair[0] in names for word in pair])
    for name in names.EXTENSIONS:
        try:
            module = importlib.import_module(name)
        except ImportError as error:
            raise ValueError(
                f"EXTENSIONS: cannot import {name} ({error}); put its folder on PYTHONPATH, or install it."
            ) from error
        if hasattr(module, "add_config"):
            module.add_config(cfg)


def _read_with_bases(config_file: str) -> dict[str, Any]:
    """A configuration file on top of its _BASE_; a file that builds on itself is not read over and over first."""
    being_read: list[str] = []

    class Guarded(CfgNode):
        @classmethod
        def load_yaml_with_base(cls, filename: str, allow_unsafe: bool = False) -> dict[str, Any]:
            path = os.path.realpath(filename)
            if path in being_read:
                raise RecursionError(path)
            being_read.append(path)
            content = super().load_yaml_with_base(filename, allow_unsafe=allow_unsafe)
            being_read.pop()
            return content

    return Guarded.load_yaml_with_base(config_file)


def setup(args: argparse.Namespace) -> CfgNode:
    """Configuration, output folder, seed and logs of one run of ``train_net.py``.

    Args:
        args: result of Detectron2's ``default_argument_parser``.

    Returns:
        The configuration, frozen.

    Raises:
        FileNotFoundError, ValueError: see :func:`load_config`.
    """
    cfg = load_config(args.config_file, args.opts)
    cfg.freeze()
    default_setup(cfg, args)
    handlers = setup_logger(cfg.OUTPUT_DIR, distributed_rank=comm.get_rank(), name="inet_d2").handlers
    for handler in handlers:
        if getattr(handler, "stream", None) is sys.stdout:
            handler.setLevel(logging.INFO)  # what only a developer wants is in log.txt alone
    _logger.info("Engine: detectron2 %s from %s", detectron2.__version__, detectron2.__file__)
    for name in cfg.EXTENSIONS:
        _logger.info("Extension: %s from %s", name, getattr(sys.modules[name], "__file__", "unknown"))
    return cfg


@contextmanager
def record_restored_on_error(output_dir: str) -> Iterator[None]:
    """Put ``config.yaml`` back if the block fails, so that a refused command is not recorded as that of the run."""
    record = Path(output_dir, "config.yaml")
    before = record.read_bytes() if record.is_file() else None
    try:
        yield
    except Exception:
        if before is not None and comm.is_main_process():
            record.write_bytes(before)
        raise


@contextmanager
def _explained(source: str) -> Iterator[None]:
    """Turn what the yaml reader and yacs raise into errors that name the source and say what fits."""
    try:
        yield
    except OSError as error:
        raise FileNotFoundError(f"{source}: cannot read this configuration file ({error}).") from error
    except RecursionError as error:
        raise ValueError(f"{source}: its _BASE_ leads back to itself; name another file there.") from error
    except (AssertionError, AttributeError, KeyError, TypeError, ValueError, yaml.YAMLError) as error:
        reason = getattr(error, "problem", None) or (error.args[0] if error.args else error)
        raise ValueError(
            f"{source}: {reason}. The keys are those of Detectron2 (detectron2/config/defaults.py) and of inet_d2 "
            "(inet_d2/config.py), each with the type of its default."
        ) from error
