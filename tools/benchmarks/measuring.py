"""Clocks, memory, and ratios of what is measured in turn."""

import argparse
import os
import platform
import resource
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import detectron2
import torch

WARM_UP = 3


def at_least_one(text: str) -> int:
    """A count from the command line."""
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected at least 1, found {text}")
    return int(text)


def machine() -> str:
    """What the figures depend on, in one line."""
    threads = f"{os.cpu_count()} CPUs, {torch.get_num_threads()} threads"
    return f"{platform.machine()}, {threads}, torch {torch.__version__}, detectron2 {detectron2.__version__}"


def clock(kind: str, device: str) -> Callable[[], float]:
    """A clock, ``wall`` or ``cpu``, that waits for what a GPU has been asked to do."""
    read = time.perf_counter if kind == "wall" else time.process_time
    return (lambda: (torch.cuda.synchronize(), read())[1]) if device.startswith("cuda") else read


def add_clock(parser: argparse.ArgumentParser) -> None:
    """The option that chooses a clock."""
    parser.add_argument(
        "--clock", choices=("wall", "cpu"), default="wall", help="cpu, with OMP_NUM_THREADS=1: where other work goes on"
    )


def seconds(work: Callable[[], object], now: Callable[[], float] = time.perf_counter) -> float:
    """Time of one call."""
    begin = now()
    work()
    return now() - begin


def timed(work: Callable[[], object], now: Callable[[], float]) -> Callable[[], list[float]]:
    """A step of one part for :func:`in_turn`."""
    return lambda: [seconds(work, now)]


def in_turn(
    steps: Mapping[str, Callable[[], list[float]]], repetitions: int, *, warm_up: int = WARM_UP
) -> dict[str, list[list[float]]]:
    """Seconds of the parts of each step, by repetition; all steps see the same ups and downs of the machine."""
    times: dict[str, list[list[float]]] = {name: [] for name in steps}
    names = list(steps)
    for repetition in range(-warm_up, repetitions):
        first = repetition % len(names)
        for name in names[first:] + names[:first]:
            torch.manual_seed(warm_up + repetition)
            parts = steps[name]()
            if repetition >= 0:
                times[name].append(parts)
    return times


def ratio(times: Sequence[Sequence[float]], reference: Sequence[Sequence[float]]) -> tuple[float, float, float]:
    """Median and quartiles of the ratio of steps of the same repetition."""
    ratios = [sum(parts) / sum(base) for parts, base in zip(times, reference, strict=True)]
    low, middle, high = statistics.quantiles(ratios, n=4, method="inclusive") if len(ratios) > 1 else 3 * ratios
    return middle, low, high


def ratio_text(times: Sequence[Sequence[float]], reference: Sequence[Sequence[float]]) -> str:
    """Median and quartiles of :func:`ratio`, for a table."""
    middle, low, high = ratio(times, reference)
    return f"{middle:.3f} ({low:.3f} to {high:.3f})"


def peak_mib(device: str = "cpu") -> float:
    """Largest memory so far: PyTorch's counter on a GPU, otherwise the resident memory of this process."""
    if device.startswith("cuda"):
        return torch.cuda.max_memory_allocated() / (1 << 20)
    status = Path("/proc/self/status")
    if status.exists():
        # Not getrusage: on Linux it is never below the memory of the process that started this one.
        return int(status.read_text().split("VmHWM:")[1].split()[0]) / (1 << 10)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10)
