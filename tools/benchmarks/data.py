"""The training loaders against decoding alone, on made frames, in one process and in several.

Beside each other, in turn: decoding all frames, into the decoder's memory and nothing else; reading them into arrays;
decoding and resizing them by Pillow alone, below which no loader gets that gives Detectron2's pixels; batches of crops
that decode their frames every time, and that keep what crops show (INPUT.PERSON_CROP.CACHE_MIB); image pairs and single
images, as they are, with INPUT.RESIZE fast, and with INPUT.SCALED_DECODING too; a training step of the first stage, for
the share that waiting for crops has. Then the frames a second of several loader processes (with --clock cpu: a second
of all processes together).

Examples:
    OMP_NUM_THREADS=1 python tools/benchmark.py --task data --clock cpu
    python tools/benchmark.py --task data --size 1920 1080 --config-file configs/PRW/inet_vgg16.yaml
    python tools/benchmark.py --task data --workers 4
"""

import argparse
import itertools
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
from detectron2.config import CfgNode
from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.data import transforms as T
from detectron2.structures import BoxMode
from PIL import Image
from torch.utils.data import DataLoader, IterableDataset

from benchmarks.measuring import add_clock, at_least_one, clock, in_turn, machine, ratio_text, seconds
from benchmarks.steps import ROOT, STEP_CONFIG, configuration, timed_parts
from inet_d2.data import build_train_loader
from inet_d2.data.resize import build_augmentations
from inet_d2.engine import INetTrainer
from inet_d2.image_file import decode_image, read_image

NAME = "frames_of_the_benchmark"
DECODE = "decode a frame"
FAST = ["INPUT.RESIZE", "fast"]
FASTER = {"": [], ", fast": FAST, ", fast, scaled decoding": [*FAST, "INPUT.SCALED_DECODING", "True"]}
ROUNDS = 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Frames, configurations, repetitions."""
    parser.add_argument("--frames", type=at_least_one, default=24, metavar="N", help="default 24")
    parser.add_argument("--size", type=at_least_one, nargs=2, default=[960, 540], metavar=("W", "H"))
    parser.add_argument("--people", type=at_least_one, default=12, metavar="N", help="in each frame; default 12")
    parser.add_argument("--repetitions", type=at_least_one, default=10, help="batches of each kind (default 10)")
    parser.add_argument("--config-file", type=Path, default=STEP_CONFIG, help="of pairs and single images")
    parser.add_argument("--crop-config", type=Path, default=ROOT / "configs/demo/crops.yaml", help="of crops")
    parser.add_argument("--workers", type=at_least_one, default=2, metavar="N", help="processes; default 2")
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
            speeds = measure_processes(records, options)
        finally:
            DatasetCatalog.remove(NAME)
            MetadataCatalog.pop(NAME, None)
    print("| of an input | ms | ratio to decoding a frame (quartiles) |\n|---|---:|---:|")
    for name, parts in times.items():
        milliseconds = 1e3 * statistics.median(map(sum, parts))
        print(f"| {name} | {milliseconds:.2f} | {ratio_text(parts, times[DECODE])} |")
    step = statistics.median(map(sum, times["training step, crop"]))
    shares = [load / (load + step) for load in (statistics.median(map(sum, times[n])) for n in ("crop", "crop, kept"))]
    print(f"\nshare of the first stage that is loading: {shares[0]:.3f}, with kept crops {shares[1]:.3f}")
    unit = "second" if options.clock == "wall" else "CPU second"
    print(f"\n| {options.workers} processes | frames a {unit} | share of decoding alone |\n|---|---:|---:|")
    for name, rounds in speeds.items():
        share = statistics.median(speed / base for speed, base in zip(rounds, speeds[DECODE], strict=True))
        print(f"| {name} | {statistics.median(rounds):.0f} | {share:.2f} |")


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
    now = clock(options.clock, "cpu")
    crops = configuration(options.crop_config, settings(options, workers=0))
    kept, uncached = batches_of(crops), crops.clone()
    uncached.INPUT.PERSON_CROP.CACHE_MIB = 0
    frames = frame_configurations(options, workers=0)
    resize = build_augmentations(next(iter(frames.values())), is_train=True)[0]

    def of_every_frame(work: Callable[[str], object]) -> Callable[[], list[float]]:
        return lambda: [seconds(lambda: [work(r["file_name"]) for r in records], now) / len(records)]

    steps = {
        DECODE: of_every_frame(decode_image),
        "read a frame into an array": of_every_frame(lambda path: read_image(path, crops.INPUT.FORMAT)),
        "decode a frame and resize it": of_every_frame(lambda path: decode_and_resize(path, resize)),
        "crop": timed_inputs(batches_of(uncached), now),
        "crop, kept": timed_inputs(kept, now),
    }
    steps |= {name: timed_inputs(batches_of(cfg), now) for name, cfg in frames.items()}
    steps["training step, crop"] = training_step(crops, next(kept), now)
    while_filling = -(-options.people * crops.INPUT.PERSON_CROP.PER_IDENTITY // crops.SOLVER.IMS_PER_BATCH)
    return in_turn(steps, options.repetitions, warm_up=4 * while_filling)


def settings(options: argparse.Namespace, workers: int) -> list[str]:
    """KEY VALUE pairs of all configurations."""
    common = ["DATASETS.TRAIN", f"('{NAME}',)", "DATALOADER.NUM_WORKERS", str(workers)]
    return [*common, "MODEL.ROI_REID_HEAD.NUM_PIDS", str(options.people), *options.opts]


def frame_configurations(options: argparse.Namespace, workers: int) -> dict[str, CfgNode]:
    """The loaders of frames, by name: as configured, and with the keys that make them faster."""
    configurations = {}
    for loader, name in (("build_pair_train_loader", "image of a pair"), ("build_image_train_loader", "single image")):
        cfg = configuration(options.config_file, [*settings(options, workers), "DATALOADER.TRAIN_LOADER", loader])
        for suffix, keys in FASTER.items():
            configurations[name + suffix] = cfg.clone()
            configurations[name + suffix].merge_from_list(keys)
    return configurations


def decode_and_resize(path: str, resize: T.Augmentation) -> Image.Image:
    """All that Detectron2's pixels ask for."""
    picture, (width, height) = decode_image(path)
    transform = resize.get_transform(np.broadcast_to(np.uint8(0), (height, width, 3)))
    return picture.resize((transform.new_w, transform.new_h), Image.Resampling.BILINEAR)


def measure_processes(records: list[dict], options: argparse.Namespace) -> dict[str, list[float]]:
    """Frames a second of each kind by several processes, one kind after the other, round by round."""
    now = time.perf_counter if options.clock == "wall" else seconds_of_all_processes
    decoding = DataLoader(EndlessFrames(records), batch_size=2, num_workers=options.workers, collate_fn=list)
    kinds: dict[str, Callable[[], Iterator]] = {DECODE: lambda: iter(decoding)}
    for name, cfg in frame_configurations(options, options.workers).items():
        kinds[name] = lambda cfg=cfg: batches_of(cfg)
    speeds: dict[str, list[float]] = {name: [] for name in kinds}
    for _ in range(ROUNDS):
        for name, start in kinds.items():
            num_frames, begin, batches = 0, now(), start()
            while num_frames < options.repetitions * len(records):
                num_frames += len(next(batches))
            del batches  # ends its processes, whose time counts from then on
            speeds[name].append(num_frames / (now() - begin))
    return speeds


def seconds_of_all_processes() -> float:
    """CPU time of this process and of those that it started and that have ended."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + ended.ru_utime + ended.ru_stime


class EndlessFrames(IterableDataset):
    """Decodes the frames of records again and again; gives nothing of them."""

    def __init__(self, records: list[dict]) -> None:
        self.paths = [record["file_name"] for record in records]

    def __iter__(self) -> Iterator[int]:
        """The width of each frame."""
        for path in itertools.cycle(self.paths):
            yield decode_image(path)[1][0]


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
