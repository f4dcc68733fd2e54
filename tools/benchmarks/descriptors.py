"""Descriptors of the two-step baselines: crops a second, on random crops.

Beside them, in turn and in the same run: resizing the same crops to half and back, the least that a descriptor of
pixels could do. Memory of a batch is printed too, since crops are described in batches of 64.

Examples:
    OMP_NUM_THREADS=1 python tools/benchmark.py --task descriptors --clock cpu
    python tools/benchmark.py --task descriptors --crops 256 --repetitions 5
"""

import argparse
import statistics
from functools import partial

import cv2
import numpy as np

from benchmarks.measuring import add_clock, at_least_one, clock, in_turn, machine, peak_mib, ratio, timed
from inet_d2.baselines.crops import BATCH_SIZE
from inet_d2.baselines.descriptors import DESCRIPTOR_REGISTRY, Descriptor, build_descriptor
from inet_d2.engine import load_config


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """How many crops, and how often."""
    parser.add_argument("--crops", type=at_least_one, default=128, help="described in each repetition (default 128)")
    parser.add_argument("--repetitions", type=at_least_one, default=5)
    add_clock(parser)


def random_crops(count: int, size: tuple[int, int]) -> np.ndarray:
    """Smooth random crops, (count, h, w, 3) uint8."""
    small = np.random.default_rng(0).integers(0, 256, (count, 16, 8, 3), dtype=np.uint8)
    return np.stack([cv2.resize(crop, size[::-1], interpolation=cv2.INTER_LINEAR) for crop in small])


def describe(descriptor: Descriptor, crops: np.ndarray) -> None:
    """Describe crops batch by batch, as a two-step search does."""
    for start in range(0, len(crops), BATCH_SIZE):
        descriptor.describe(crops[start : start + BATCH_SIZE])


def resize(crops: np.ndarray) -> None:
    """Halve crops and double them again."""
    for crop in crops:
        cv2.resize(cv2.resize(crop, None, fx=0.5, fy=0.5), crop.shape[1::-1])


def run(options: argparse.Namespace) -> None:
    """Measure every registered descriptor."""
    now = clock(options.clock, "cpu")
    print(f"{machine()}, {options.crops} crops, {options.clock} clock")
    cfg = load_config("")
    before = peak_mib()
    for name, _ in DESCRIPTOR_REGISTRY:
        cfg.TWO_STEP.DESCRIPTOR = name
        descriptor = build_descriptor(cfg.TWO_STEP)
        crops = random_crops(options.crops, descriptor.size)
        descriptor.fit([crops])
        steps = {
            "describe": timed(partial(describe, descriptor, crops), now),
            "resize": timed(partial(resize, crops), now),
        }
        times = in_turn(steps, options.repetitions, warm_up=1)
        middle, low, high = ratio(times["describe"], times["resize"])
        speed = options.crops / statistics.median(sum(parts) for parts in times["describe"])
        print(
            f"{name:<16} {speed:6.0f} crops a second, {middle:6.0f} ({low:.0f} to {high:.0f}) times as long as "
            f"resizing, peak memory {peak_mib() - before:.0f} MiB more"
        )
