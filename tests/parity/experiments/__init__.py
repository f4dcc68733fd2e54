"""Functions that are run by two engines, each in a process of its own, and whose results are compared.

An experiment takes the folder it may write to and returns numbers, text, tensors and arrays, nested in dicts and lists.
An exchange also takes the folder of the other engine, which holds what that engine's training left there.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

EXPERIMENTS: dict[str, Callable[[Path], Any]] = {}
EXCHANGES: dict[str, Callable[[Path, Path], Any]] = {}


def experiment(function: Callable[[Path], Any]) -> Callable[[Path], Any]:
    """Register an experiment under its own name."""
    EXPERIMENTS[function.__name__] = function
    return function


def exchange(function: Callable[[Path, Path], Any]) -> Callable[[Path, Path], Any]:
    """Register an exchange under its own name."""
    EXCHANGES[function.__name__] = function
    return function
