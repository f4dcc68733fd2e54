"""Loggers with the layout of Detectron2's logs."""

import functools
import logging
import os
import sys
import time
from collections import Counter

from tabulate import tabulate
from termcolor import colored

from .file_io import PathManager

_LAYOUT = "[%(asctime)s] %(name)s %(levelname)s: %(message)s"
_COUNTS: Counter = Counter()
_LAST_TIME: dict = {}


class _ColorFormatter(logging.Formatter):
    def __init__(self, name: str, abbrev_name: str, **kwargs) -> None:
        super().__init__(colored("[%(asctime)s %(name)s]: ", "green") + "%(message)s", **kwargs)
        self._names = (name, abbrev_name)

    def format(self, record: logging.LogRecord) -> str:
        short = logging.makeLogRecord({**record.__dict__, "name": record.name.replace(*self._names, 1)})
        level = colored(record.levelname, "red") + " " if record.levelno >= logging.WARNING else ""
        return level + super().format(short)


@functools.cache
def _log_stream(path: str):
    PathManager.mkdirs(os.path.dirname(path) or ".")
    return PathManager.open(path, "a", buffering=1)


@functools.cache
def setup_logger(
    output=None, distributed_rank=0, *, color=True, name="detectron2", abbrev_name=None, enable_propagation=False,
    configure_stdout=True) -> logging.Logger:  # fmt: skip
    """Log the tree `name` to stdout (rank 0) and to `output`, a .txt/.log file or a folder for log.txt."""
    logger = logging.getLogger(name)
    logger.setLevel(logging.DEBUG)
    logger.propagate = enable_propagation
    date = {"datefmt": "%m/%d %H:%M:%S"}
    if configure_stdout and distributed_rank == 0:
        abbrev = abbrev_name if abbrev_name is not None else {"detectron2": "d2"}.get(name, name)
        logger.addHandler(logging.StreamHandler(stream=sys.stdout))
        formatter = _ColorFormatter(name, abbrev, **date) if color else logging.Formatter(_LAYOUT, **date)
        logger.handlers[-1].setFormatter(formatter)
    if output is not None:
        path = output if output.endswith((".txt", ".log")) else os.path.join(output, "log.txt")
        path += f".rank{distributed_rank}" if distributed_rank else ""
        logger.addHandler(logging.StreamHandler(_log_stream(path)))
        logger.handlers[-1].setFormatter(logging.Formatter(_LAYOUT, **date))
    return logger


def _caller() -> tuple[str, tuple]:
    """Module name and position of the code that called the logging function below."""
    frame = sys._getframe(2)
    return frame.f_globals["__name__"], (frame.f_code.co_filename, frame.f_lineno)


def log_first_n(lvl: int, msg: str, n: int = 1, *, name: str | None = None, key="caller") -> None:
    """Log the first `n` times only; `key` says what counts as the same: "caller", "message" or both."""
    module, place = _caller()
    same = (place if "caller" in key else None, msg if "message" in key else None)
    _COUNTS[same] += 1
    if _COUNTS[same] <= n:
        logging.getLogger(name or module).log(lvl, msg)


def log_every_n_seconds(lvl: int, msg: str, n: int = 1, *, name: str | None = None) -> None:
    """Log if this line of code did not log within the last `n` seconds."""
    module, place = _caller()
    if time.time() - _LAST_TIME.get(place, 0) >= n:
        logging.getLogger(name or module).log(lvl, msg)
        _LAST_TIME[place] = time.time()


def create_small_table(small_dict: dict) -> str:
    """A table of one row; the keys are its head."""
    style = {"tablefmt": "pipe", "floatfmt": ".3f", "stralign": "center", "numalign": "center"}
    return tabulate([tuple(small_dict.values())], headers=tuple(small_dict), **style)
