"""Training steps (forward, backward, optimiser) on frames in memory, in turn and in the same run.

I-Net and Faster R-CNN with the same backbone, resolution and number of RoIs, I-Net also in bfloat16 (SOLVER.AMP); the
identity losses with HEP alone, on
random regions, for several numbers of identities. The task "memory" follows.

Without --config-file the steps are those of configs/demo/inet.yaml, and HEP has the paper's sizes
(configs/CUHK-SYSU/inet_vgg16.yaml). A configuration that is given serves for both.

Examples:
    python tools/benchmark.py --task train
    python tools/benchmark.py --task train --config-file configs/CUHK-SYSU/inet_vgg16.yaml --repetitions 5
    python tools/benchmark.py --task train --identities 5532 55320 MODEL.ROI_REID_HEAD.CLASSIFIER.COSINE True
"""

import argparse
import statistics
from collections.abc import Mapping, Sequence

from benchmarks import memory, steps
from benchmarks.measuring import add_clock, at_least_one, in_turn, machine, ratio_text

# A dense gradient of more rows than this takes too long to be measured along the way.
DENSE_UP_TO = 100_000
PARTS = ("forward", "backward", "optimiser")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Steps, and how often they are measured."""
    steps.add_arguments(parser)
    parser.add_argument("--repetitions", type=at_least_one, default=30, help="timed steps of each kind (default 30)")
    add_clock(parser)


def run(options: argparse.Namespace) -> None:
    """Time both kinds of steps, print the tables, and measure memory.

    Raises:
        OSError, ValueError: the configuration does not fit.
    """
    print(machine())
    measure_time(options)
    memory.measure(options)


def measure_time(options: argparse.Namespace) -> None:
    """Time both kinds of steps and print the tables."""
    cfg = steps.configuration(options.config_file or steps.STEP_CONFIG, options.opts)
    height, width = steps.make_pair(cfg, 1)[0]["instances"].image_size
    print(f"{options.clock} time, median of {options.repetitions} steps in turn; two frames of {width} x {height},")
    print(f"{cfg.MODEL.ROI_HEADS.BATCH_SIZE_PER_IMAGE} RoIs each, {cfg.MODEL.BACKBONE.NAME}, {cfg.SOLVER.OPTIMIZER}\n")
    time_in_turn(["Faster R-CNN", "I-Net", "I-Net bf16"], options)
    cfg = steps.configuration(options.config_file or steps.HEP_CONFIG, options.opts)
    reid = cfg.MODEL.ROI_REID_HEAD
    print(f"\nIdentity losses with HEP alone, {2 * cfg.MODEL.ROI_HEADS.BATCH_SIZE_PER_IMAGE} RoIs, {reid.EMBED_DIM}-D,")
    print(f"dictionary of {reid.DICTIONARY.SIZE}, pool of {reid.HEP.NUM_CLASSES}, {cfg.SOLVER.OPTIMIZER}\n")
    names = [f"HEP {n}" for n in options.identities]
    time_in_turn([*names, *(f"HEP {n} dense" for n in options.identities if n <= DENSE_UP_TO)], options)


def time_in_turn(names: Sequence[str], options: argparse.Namespace) -> None:
    """Build steps, time them in turn and print their table; the first is the reference."""
    built = {name: steps.step_of(name, options) for name in names}
    print(time_table(in_turn(built, options.repetitions), names[0]), flush=True)


def time_table(times: Mapping[str, list[list[float]]], reference: str) -> str:
    """Median milliseconds of each step and its parts, and its ratio to the reference, as Markdown."""
    lines = [f"| step | {' | '.join(f'{part} ms' for part in PARTS)} | together ms | ratio (quartiles) |"]
    lines.append("|---|" + "---:|" * 5)
    for name, measured in times.items():
        parts = [1e3 * statistics.median(part) for part in zip(*measured, strict=True)]
        cells = [f"{value:.2f}" for value in (*parts, 1e3 * statistics.median(map(sum, measured)))]
        lines.append(f"| {name} | {' | '.join(cells)} | {ratio_text(measured, times[reference])} |")
    return "\n".join(lines)
