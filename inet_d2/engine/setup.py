"""From command-line arguments to a frozen configuration and open logs."""

import argparse
import logging

import detectron2
import torch
from detectron2.config import CfgNode, get_cfg
from detectron2.engine import default_setup
from detectron2.utils import comm
from detectron2.utils.logger import setup_logger

from inet_d2.config import add_inet_config

logger = logging.getLogger(__name__)


def load_config(config_file: str, opts: list[str] | tuple[str, ...] = ()) -> CfgNode:
    """Read a configuration.

    Args:
        config_file: path of a yaml file; "" for the defaults.
        opts: KEY VALUE KEY VALUE ..., applied on top.

    Returns:
        The configuration, not frozen. MODEL.DEVICE is "cpu" where it asks for CUDA and there is none.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: a key that does not exist, a value of the wrong type, or a KEY without a VALUE.
    """
    cfg = get_cfg()
    add_inet_config(cfg)
    if config_file:
        try:
            cfg.merge_from_file(config_file)
        except (OSError, AssertionError) as error:
            raise FileNotFoundError(f"{config_file}: cannot read this configuration file ({error}).") from error
        except (KeyError, ValueError) as error:
            raise ValueError(_explain(config_file, error)) from error
    try:
        cfg.merge_from_list(list(opts))
    except (AssertionError, KeyError, ValueError) as error:
        raise ValueError(_explain("command line", error)) from error
    if cfg.MODEL.DEVICE.startswith("cuda") and not torch.cuda.is_available():
        cfg.MODEL.DEVICE = "cpu"
    return cfg


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
    setup_logger(cfg.OUTPUT_DIR, distributed_rank=comm.get_rank(), name="inet_d2")
    logger.info("Engine: detectron2 %s from %s", detectron2.__version__, detectron2.__file__)
    return cfg


def _explain(source: str, error: Exception) -> str:
    reason = error.args[0] if error.args else error
    return (
        f"{source}: {reason}. The keys are those of Detectron2 (detectron2/config/defaults.py) and of inet_d2 "
        "(inet_d2/config.py), each with the type of its default."
    )
