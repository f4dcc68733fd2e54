"""Where the time of a training step goes: backbone, proposals, pooling, heads, identity losses, backward, optimiser.

The trainer's own iteration of I-Net and of Faster R-CNN in turn, on frames in memory; what waiting for data costs is
in the task "data". Each part is timed from its call to its return, and on a GPU the card is waited for at both.

Examples:
    python tools/benchmark.py --task parts
    OMP_NUM_THREADS=1 python tools/benchmark.py --task parts --clock cpu --precision bf16
    python tools/benchmark.py --task parts --config-file configs/CUHK-SYSU/inet_vgg16.yaml MODEL.DEVICE cuda
"""

import argparse
import statistics
from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path

from benchmarks import steps
from benchmarks.measuring import add_clock, at_least_one, clock, in_turn, machine
from benchmarks.whole_steps import KINDS, Subject, Subjects
from inet_d2.engine.train_step import TrainStep

BACKWARD = "backward, and what is left"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The model, and how many steps."""
    parser.add_argument("--config-file", type=Path, default=steps.STEP_CONFIG, help="of I-Net (default: the demo's)")
    parser.add_argument("--people", type=steps.people, default=6, help="in each frame (default 6)")
    parser.add_argument("--precision", choices=("float32", "bf16"), default="float32", help="default: float32")
    parser.add_argument("--repetitions", type=at_least_one, default=20, help="timed steps of each (default 20)")
    add_clock(parser)
    parser.set_defaults(opts=[], device=None)


class Parts:
    """Seconds of the parts of a step; a part that lies in another counts for itself alone.

    Args:
        now: the clock.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self.now = now
        self.seconds: dict[str, float] = defaultdict(float)
        self._inside = [0.0]

    def timed(self, name: str, function: Callable) -> Callable:
        """The same function, whose time is counted under a name."""

        def call(*args: object, **kwargs: object) -> object:
            begin = self.now()
            self._inside.append(0.0)
            try:
                return function(*args, **kwargs)
            finally:
                took = self.now() - begin
                self.seconds[name] += took - self._inside.pop()
                self._inside[-1] += took

        return call

    def watch(self, owner: object, method: str, name: str) -> None:
        """Count a method of one object, where it has it."""
        if hasattr(owner, method):
            setattr(owner, method, self.timed(name, getattr(owner, method)))


def watched_step(subject: Subject, options: argparse.Namespace) -> Callable[[], Mapping[str, float]]:
    """A step of the trainer that gives the seconds of its parts."""
    parts = Parts(clock(options.clock, subject.device))
    model, heads = subject.module, subject.module.roi_heads
    parts.watch(model, "preprocess_image", "images")
    parts.watch(model.backbone, "forward", "backbone")
    parts.watch(model.proposal_generator, "forward", "proposals and their losses")
    parts.watch(heads, "sample_regions", "sampling")
    parts.watch(heads, "compute_identity_losses", "identity losses")
    parts.watch(heads, "pool_regions", "pooling")
    parts.watch(heads, "region_features", "heads")
    parts.watch(heads.box_predictor, "forward", "heads")
    parts.watch(heads.reid_head, "forward", "embedding")
    parts.watch(heads.box_predictor, "losses", "box losses")
    parts.watch(model, "forward", "rest of the forward pass")
    parts.watch(subject.optimizer, "step", "optimiser")
    step = subject.training(options.precision, trainer=lambda trainer: _watch_trainer(parts, trainer))
    whole = parts.timed(BACKWARD, step)

    def call() -> Mapping[str, float]:
        parts.seconds.clear()
        whole()
        return dict(parts.seconds)

    return call


def _watch_trainer(parts: Parts, trainer: TrainStep) -> None:
    parts.watch(trainer, "_check", "check of losses and gradients")
    parts.watch(trainer, "_write_metrics", "metrics")


def run(options: argparse.Namespace) -> None:
    """Time the steps and print the table.

    Raises:
        OSError, ValueError: the configuration does not fit.
    """
    subjects = Subjects(options)
    print(f"{machine()}\n{options.clock} time, {options.precision}, median of {options.repetitions} steps in turn;")
    print(f"{options.config_file.stem}, batches of {subjects.get(options.config_file, KINDS[0]).batch}\n")
    calls = {kind: watched_step(subjects.get(options.config_file, kind), options) for kind in KINDS}
    print(table(in_turn(calls, options.repetitions)))


def table(times: Mapping[str, list[Mapping[str, float]]]) -> str:
    """Milliseconds and shares of each part, as Markdown; the largest of the first model come first."""
    medians = {
        kind: {part: 1e3 * statistics.median(step[part] for step in found) for part in found[0]}
        for kind, found in times.items()
    }
    first = next(iter(medians.values()))
    lines = [f"| part | {' | '.join(f'{kind} ms | share' for kind in medians)} |", "|---|" + "---:|" * 2 * len(medians)]
    for part in sorted(first, key=first.get, reverse=True):
        cells = [
            f"{found[part]:.2f} | {found[part] / sum(found.values()):.3f}" if part in found else " | "
            for found in medians.values()
        ]
        lines.append(f"| {part} | {' | '.join(cells)} |")
    whole = [f"{sum(found.values()):.2f} | 1" for found in medians.values()]
    return "\n".join([*lines, f"| together | {' | '.join(whole)} |"])
