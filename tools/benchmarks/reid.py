"""Re-identification figures: ranking all crops for each query, on random distances of the size of Market-1501.

Beside it, in turn and in the same run: a stable argsort of the same numbers, the least that ranking by sorting takes.

Examples:
    python tools/benchmark.py --task reid
    python tools/benchmark.py --task reid --queries 1000 --gallery 80000
"""

import argparse

import numpy as np

from benchmarks.measuring import add_clock, at_least_one, clock, in_turn, machine, ratio, timed
from inet_d2.evaluation.reid_metric import rank_crops


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Sizes, and how often they are measured."""
    parser.add_argument("--queries", type=at_least_one, default=256, help="one block of them (default 256)")
    parser.add_argument("--gallery", type=at_least_one, default=15913)
    parser.add_argument("--ids", type=at_least_one, default=750)
    parser.add_argument("--repetitions", type=at_least_one, default=5)
    add_clock(parser)


def run(options: argparse.Namespace) -> None:
    """Time both and print the ratio."""
    generator = np.random.default_rng(0)
    distances = generator.random((options.queries, options.gallery), dtype=np.float32)
    people = {
        f"{side}_{what}": generator.integers(most, size=size)
        for side, size in (("query", options.queries), ("gallery", options.gallery))
        for what, most in (("pids", options.ids), ("cameras", 6))
    }
    now = clock(options.clock, "cpu")
    times = in_turn(
        {
            "figures": timed(lambda: rank_crops(distances, **people), now),
            "argsort": timed(lambda: np.argsort(distances, axis=1, kind="stable"), now),
        },
        options.repetitions,
    )
    middle, low, high = ratio(times["figures"], times["argsort"])
    print(machine())
    print(f"{options.queries} queries x {options.gallery} crops")
    print(f"figures           {np.median(times['figures']):8.3f} s ({options.clock} time)")
    print(
        f"a stable argsort  {np.median(times['argsort']):8.3f} s   figures take {middle:.2f} ({low:.2f} to {high:.2f})"
    )
