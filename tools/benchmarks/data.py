"""The training loaders against decoding alone, on made frames, in one process.

Beside each other, in turn: reading all frames; batches of crops that decode their frames every time, and that keep
what crops show (INPUT.PERSON_CROP.CACHE_MIB); image pairs and single images; a training step of the first stage, for
the share that waiting for crops has.

Examples:
    OMP_NUM_THREADS=1 python tools/benchmark.py --task data --clock cpu
    python tools/benchmark.py --task data --size 1920 1080 --config-file configs/CUHK-SYSU/inet_vgg16.yaml
"""

import argparse
import statistics
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
from detectron2.config import CfgNode
from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.structures import BoxMode

from benchmarks.measuring import add_clock, at_least_one, clock, in_turn, machine, ratio, seconds
from benchmarks.steps import ROOT, STEP_CONFIG, configuration, timed_parts
from inet_d2.data import build_train_loader
from inet_d2.engine import INetTrainer
from inet_d2.image_file import read_image

NAME = "frames_of_the_benchmark"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Frames, configurations, repetitions."""
    parser.add_argument("--frames", type=at_least_one, default=24, metavar="N", help="default 24")
    parser.add_argument("--size", type=at_least_one, nargs=2, default=[960, 540], metavar=("W", "H"))
    parser.add_argument("--people", type=at_least_one, default=12, metavar="N", help="in each frame; default 12")
    parser.add_argument("--repetitions", type=at_least_one, default=10, help="batches of each kind (default 10)")
    parser.add_argument("--config-file", type=Path, default=STEP_CONFIG, help="of pairs and single images")
    parser.add_argument("--crop-config", type=Path, default=ROOT / "configs/demo/crops.yaml", help="of crops")
    add_clock(parser)
    parser.set_defaults(opts=[])


def run(options: argparse.Namespace) -> None:
    """Measure and print.

    Raises:
        OSError, ValueError: a configuration does not fit.
    """
    print(machine())
    width, height = options.size
    print(f"{options.clock} time of {options.repetitions} batches in turn; JPEGs of {width} x {height}, ", end="")
    print(f"{options.people} people in each\n")
    with tempfile.TemporaryDirectory() as folder:
        records = make_frames(Path(folder), options)
        DatasetCatalog.register(NAME, lambda: records)
        try:
            times = measure(records, options)
        finally:
            DatasetCatalog.remove(NAME)
            MetadataCatalog.pop(NAME, None)
    print("| of an input | ms | ratio to reading a frame (quartiles) |\n|---|---:|---:|")
    for name, parts in times.items():
        middle, low, high = ratio(parts, times["read a frame"])
        print(f"| {name} | {1e3 * statistics.median(map(sum, parts)):.2f} | {middle:.3f} ({low:.3f} to {high:.3f}) |")
    step = statistics.median(map(sum, times["training step, crop"]))
    shares = [load / (load + step) for load in (statistics.median(map(sum, times[n])) for n in ("crop", "crop, kept"))]
    print(f"\nshare of the first stage that is loading: {shares[0]:.3f}, with kept crops {shares[1]:.3f}")


def make_frames(folder: Path, options: argparse.Namespace) -> list[dict]:
    """Write smooth random JPEGs; every frame shows the same people elsewhere."""
    generator, (width, height), records = np.random.default_rng(0), options.size, []
    for number in range(options.frames):
        small = generator.integers(0, 256, (max(height // 8, 1), max(width // 8, 1), 3), dtype=np.uint8)
        path = str(folder / f"{number}.jpg")
        cv2.imwrite(path, cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC))
        people = []
        for pid in range(options.people):
            tall = height * generator.uniform(0.1, 0.4)
            left, top = generator.uniform(0, [width - 0.4 * tall, height - tall])
            box = {"bbox": [left, top, left + 0.4 * tall, top + tall], "bbox_mode": BoxMode.XYXY_ABS}
            people.append({**box, "category_id": 0, "person_id": pid})
        frame = {"file_name": path, "image_id": str(number), "width": width, "height": height}
        records.append({**frame, "annotations": people})
    return records


def measure(records: list[dict], options: argparse.Namespace) -> dict[str, list[list[float]]]:
    """Seconds of one input of each kind, by repetition."""
    now, opts = clock(options.clock, "cpu"), options.opts
    common = ["DATASETS.TRAIN", f"('{NAME}',)", "DATALOADER.NUM_WORKERS", "0"]
    common += ["MODEL.ROI_REID_HEAD.NUM_PIDS", str(options.people), *opts]
    crops = configuration(options.crop_config, common)
    kept, uncached = batches_of(crops), crops.clone()
    uncached.INPUT.PERSON_CROP.CACHE_MIB = 0

    def read_all() -> list[float]:
        return [seconds(lambda: [read_image(r["file_name"], crops.INPUT.FORMAT) for r in records], now) / len(records)]

    steps = {
        "read a frame": read_all,
        "crop": timed_inputs(batches_of(uncached), now),
        "crop, kept": timed_inputs(kept, now),
    }
    for loader, name in (("build_pair_train_loader", "image of a pair"), ("build_image_train_loader", "single image")):
        cfg = configuration(options.config_file, [*common, "DATALOADER.TRAIN_LOADER", loader])
        steps[name] = timed_inputs(batches_of(cfg), now)
    steps["training step, crop"] = training_step(crops, next(kept), now)
    while_filling = -(-options.people * crops.INPUT.PERSON_CROP.PER_IDENTITY // crops.SOLVER.IMS_PER_BATCH)
    return in_turn(steps, options.repetitions, warm_up=4 * while_filling)


def batches_of(cfg: CfgNode) -> Iterator[list[dict]]:
    """The batches that this configuration trains on."""
    return iter(build_train_loader(cfg))


def timed_inputs(batches: Iterator[list[dict]], now: Callable[[], float]) -> Callable[[], list[float]]:
    """A function that takes a batch and gives its seconds for one input."""

    def take() -> list[float]:
        begin = now()
        num_inputs = len(next(batches))
        return [(now() - begin) / num_inputs]

    return take


def training_step(cfg: CfgNode, batch: list[dict], now: Callable[[], float]) -> Callable[[], list[float]]:
    """A function that trains on this batch and gives the seconds for one input."""
    model = INetTrainer.build_model(cfg).train()
    optimizer = INetTrainer.build_optimizer(cfg, model)
    return lambda: [part / len(batch) for part in timed_parts(lambda: sum(model(batch).values()), optimizer, now)]
