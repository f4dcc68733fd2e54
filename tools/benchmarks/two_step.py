"""Memory of a two-step search by the number of crops, for every configuration of configs/baselines/ that has one.

Arrays at their largest, as Python's tracemalloc counts them: while the distance is fitted on labelled crops, and while
the crops of a gallery are described, for a number of crops and for four times as many. What a crop more costs is their
difference. Rows of the descriptor's length are drawn at random in the place of described ones, whose own memory
--task descriptors prints: it is that of a batch of 64. Principal components are fewer than in the configuration where
there are too few crops for them.

Examples:
    python tools/benchmark.py --task two_step
    python tools/benchmark.py --task two_step --crops 200 --configs lomo_xqda
"""

import argparse
import tempfile
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from detectron2.config import CfgNode
from detectron2.structures import BoxMode

from benchmarks.measuring import at_least_one, machine
from benchmarks.steps import ROOT
from inet_d2.baselines.descriptors import Descriptor, build_descriptor
from inet_d2.baselines.distances import build_distance
from inet_d2.baselines.two_step import TwoStepSearch
from inet_d2.engine import load_config

CONFIGS = ("bow_cosine", "dsift_euclidean", "dsift_kissme", "lomo_xqda")
PER_FRAME, PER_PERSON = 8, 4
KISSME_DIM = 200


class DrawnRows(Descriptor):
    """Random rows of a descriptor's length, as many as there are crops."""

    def __init__(self, length: int) -> None:
        super().__init__(size=(8, 4))
        self.length, self.generator = length, np.random.default_rng(0)

    def describe(self, crops: np.ndarray) -> np.ndarray:
        """(n, length) float32."""
        return self.generator.random((len(crops), self.length), dtype=np.float32)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """How many crops, and of which configurations."""
    parser.add_argument("--crops", type=at_least_one, default=500, metavar="N", help="and four times N; default 500")
    parser.add_argument("--configs", nargs="+", choices=CONFIGS, default=CONFIGS, metavar="NAME")


def run(options: argparse.Namespace) -> None:
    """Measure and print.

    Raises:
        ValueError: there are too few crops.
    """
    if options.crops < 2 * KISSME_DIM:
        raise ValueError(f"--crops: expected at least {2 * KISSME_DIM}, which KISSME's components need")
    print(machine())
    print("| configuration | crops | MiB, fit | MiB, gallery |\n|---|---:|---:|---:|")
    growth = []
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder, "frame.png"))
        cv2.imwrite(path, np.zeros((16, 8 * PER_FRAME, 3), dtype=np.uint8))
        for name in options.configs:
            counts = (options.crops, 4 * options.crops)
            peaks = [measure(name, made_records(path, count), options.crops) for count in counts]
            for count, peak in zip(counts, peaks, strict=True):
                print(f"| {name} | {count} | {' | '.join(f'{part / 2**20:.0f}' for part in peak)} |", flush=True)
            growth.append((name, [(b - a) / (counts[1] - counts[0]) for a, b in zip(*peaks, strict=True)]))
    print("\n| configuration | bytes a crop more, fit | gallery |\n|---|---:|---:|")
    for name, (fit, gallery) in growth:
        print(f"| {name} | {fit:,.0f} | {gallery:,.0f} |")


def made_records(path: str, count: int) -> list[dict]:
    """Records of one file, with ``count`` labelled people."""
    boxes = [[8.0 * i, 0.0, 8.0 * i + 8, 16.0] for i in range(PER_FRAME)]
    people = [
        {"bbox": boxes[i % PER_FRAME], "bbox_mode": BoxMode.XYXY_ABS, "category_id": 0, "person_id": i // PER_PERSON}
        for i in range(count)
    ]
    return [
        {"file_name": path, "image_id": str(start), "annotations": people[start : start + PER_FRAME]}
        for start in range(0, count, PER_FRAME)
    ]


def measure(name: str, records: list[dict], fewest: int) -> tuple[int, int]:
    """Bytes of arrays at their largest, over those before: of fitting, and of describing a gallery."""
    cfg = load_config(str(ROOT / f"configs/baselines/{name}.yaml"))
    cfg.TWO_STEP.PCA_DIM = min(cfg.TWO_STEP.PCA_DIM, fewest - 1)
    search = TwoStepSearch(
        descriptor=DrawnRows(length_of(cfg)),
        distance=build_distance(cfg.TWO_STEP),
        pca_dim=cfg.TWO_STEP.PCA_DIM,
        progress=False,
    )
    return peak_bytes(lambda: search.fit(records)), peak_bytes(lambda: search.embed(records, is_query=False))


def length_of(cfg: CfgNode) -> int:
    """Numbers that the descriptor of a configuration gives for a crop."""
    descriptor = build_descriptor(cfg.TWO_STEP)
    crops = np.random.default_rng(0).integers(0, 256, (16, *descriptor.size, 3), dtype=np.uint8)
    descriptor.fit([crops])
    return descriptor.describe(crops[:1]).shape[1]


def peak_bytes(work: Callable[[], object]) -> int:
    """Bytes that Python and numpy hold at most while this is done, over those before."""
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        work()
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
