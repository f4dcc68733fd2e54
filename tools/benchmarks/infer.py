"""Detection and embedding against detection alone: plain Faster R-CNN of the same backbone, resolution and proposals.

Calls of both models on images of noise in memory take turns; weights are random. Goal: at least 0.95 times as many
images a second.

Examples:
    python tools/benchmark.py --task infer
    OMP_NUM_THREADS=1 python tools/benchmark.py --task infer --clock cpu --batches 1 4
    python tools/benchmark.py --task infer --config-file configs/CUHK-SYSU/inet_vgg16.yaml MODEL.DEVICE cuda
"""

import argparse
import statistics
from pathlib import Path

from benchmarks import steps
from benchmarks.measuring import add_clock, at_least_one, clock, in_turn, machine, ratio_text, timed
from benchmarks.whole_steps import KINDS, Subjects


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The model, and how often it is called."""
    parser.add_argument("--config-file", type=Path, default=steps.STEP_CONFIG, help="of I-Net (default: the demo's)")
    parser.add_argument("--batches", type=at_least_one, nargs="+", default=[1, 2, 4], help="images of one call")
    parser.add_argument("--precision", choices=("float32", "bf16"), default="float32", help="default: float32")
    parser.add_argument("--repetitions", type=at_least_one, default=30, help="timed calls of each (default 30)")
    add_clock(parser)
    parser.set_defaults(opts=[], people=6, device=None)


def run(options: argparse.Namespace) -> None:
    """Time the calls and print the table.

    Raises:
        OSError, ValueError: the configuration does not fit.
    """
    subjects = Subjects(options)
    subject = subjects.get(options.config_file, KINDS[0])
    height, width = subject.frames(1)[0]["instances"].image_size
    print(f"{machine()}\n{options.clock} time, {options.precision}, median of {options.repetitions} calls in turn;")
    print(f"{options.config_file.stem}, {width} x {height}, {subject.cfg.MODEL.RPN.POST_NMS_TOPK_TEST} proposals\n")
    print("| images | Faster R-CNN, images a second | with embeddings | ratio (quartiles) |\n|---:|---:|---:|---:|")
    for batch in options.batches:
        print(row(subjects, options, batch), flush=True)


def row(subjects: Subjects, options: argparse.Namespace, batch: int) -> str:
    """One line of the table."""
    known = {kind: subjects.get(options.config_file, kind) for kind in KINDS}
    now = clock(options.clock, known[KINDS[0]].device)
    calls = {kind: subject.testing(options.precision, batch) for kind, subject in known.items()}
    times = in_turn({kind: timed(call, now) for kind, call in calls.items()}, options.repetitions)
    found, plain = (times[kind] for kind in KINDS)
    rates = [batch / statistics.median(map(sum, x)) for x in (plain, found)]
    # Images a second: the ratio of times the other way round.
    return f"| {batch} | {rates[0]:.2f} | {rates[1]:.2f} | {ratio_text(plain, found)} |"
