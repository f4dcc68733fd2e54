"""Loggers with the layout of Detectron2's logs."""

import functools
import logging
import os
import sys

from tabulate import tabulate
from termcolor import colored

from .file_io import PathManager

_LAYOUT = "[%(asctime)s] %(name)s %(levelname)s: %(message)s"


class _ColorFormatter(logging.Formatter):
    def __init__(self, datefmt: str) -> None:
        super().__init__(colored("[%(asctime)s %(name)s]: ", "green") + "%(message)s", datefmt)

    def format(self, record: logging.LogRecord) -> str:
        short = logging.makeLogRecord({**record.__dict__, "name": record.name.replace("detectron2", "d2", 1)})
        level = colored(record.levelname, "red") + " " if record.levelno >= logging.WARNING else ""
        return level + super().format(short)


@functools.cache
def _log_stream(path: str):
    PathManager.mkdirs(os.path.dirname(path) or ".")
    return PathManager.open(path, "a", buffering=1)


@functools.cache
def setup_logger(output: str | None = None, distributed_rank: int = 0, *, name: str = "detectron2") -> logging.Logger:
    """Log the tree `name` to stdout (rank 0) and to `output`, a .txt/.log file or a folder for log.txt."""
    logger = logging.getLogger(name)
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    plain = logging.Formatter(_LAYOUT, "%m/%d %H:%M:%S")
    if distributed_rank == 0:
        logger.addHandler(logging.StreamHandler(stream=sys.stdout))
        logger.handlers[-1].setFormatter(_ColorFormatter(plain.datefmt))
    if output is not None:
        path = output if output.endswith((".txt", ".log")) else os.path.join(output, "log.txt")
        path += f".rank{distributed_rank}" if distributed_rank else ""
        logger.addHandler(logging.StreamHandler(_log_stream(path)))
        logger.handlers[-1].setFormatter(plain)
    return logger


def create_small_table(small_dict: dict) -> str:
    """A table of one row; the keys are its head."""
    style = {"tablefmt": "pipe", "floatfmt": ".3f", "stralign": "center", "numalign": "center"}
    return tabulate([tuple(small_dict.values())], headers=tuple(small_dict), **style)
