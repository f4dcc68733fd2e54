"""What heads cost: parameters, multiply-adds of a search, and images a second, searching and in training.

Images a second are ratios to the first configuration's; all take turns in one run. The searched images are drawn street
scenes at the configuration's testing size, one at a time; a training step is one of "train": a pair of frames of noise
with six people each, in the configuration's number format (SOLVER.AMP).

How many detections are embedded, and how many regions SeqNet's second head sees, depends on the weights; without
--weights they are random. Parameters are all of a model's, also those that only training needs (HEP's classifier);
OIM's table and the dictionary are buffers, and do not count.

Examples:
    OMP_NUM_THREADS=1 python tools/benchmark.py --task heads --clock cpu
    python tools/benchmark.py --task heads --weights output/reproduce/demo/heads_{inet,oim,nae,seqnet,inet_seqnet}/\
seed1/model_final.pth
    python tools/benchmark.py --task heads --config-file configs/CUHK-SYSU/{inet,oim,nae,seqnet}_*r50*.yaml
"""

import argparse
import statistics
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from analyze_model import OneImage, count_parts
from detectron2.config import CfgNode
from torch import Tensor, nn

from benchmarks.measuring import add_clock, at_least_one, clock, in_turn, machine, ratio_text, timed
from benchmarks.steps import ROOT, TrainingStep
from inet_d2.data.search_mapper import SearchDatasetMapper
from inet_d2.engine import INetTrainer, RunCheckpointer, check_weights, load_config
from inet_d2.scenes import PRESETS
from inet_d2.scenes.frame import draw_frame
from inet_d2.scenes.plan import plan_scenes

NAMES = ("inet", "oim", "nae", "seqnet", "inet_seqnet")
PEOPLE = 6
# Of the drawn scenes; the demo's have others.
SEED = 7


@dataclass(frozen=True)
class Cost:
    """What one configuration costs.

    Attributes:
        parameters: of the model.
        flops: multiply-adds of searching one image, mean over the scenes.
        detections: of an image, mean over the scenes.
        searching: seconds of searching the scenes once, by repetition.
        training: seconds of the parts of a training step, by repetition.
    """

    parameters: int
    flops: float
    detections: float
    searching: list[list[float]]
    training: list[list[float]]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Configurations, their weights, and how often they are measured."""
    parser.add_argument(
        "--config-file",
        type=Path,
        nargs="+",
        default=[ROOT / f"configs/demo/heads/{name}.yaml" for name in NAMES],
        metavar="FILE",
        help="the first is 1.000 (default: configs/demo/heads, I-Net first)",
    )
    parser.add_argument("--weights", nargs="+", metavar="FILE", help="for searching, one for each configuration")
    parser.add_argument("--scenes", type=at_least_one, default=4, metavar="N", help="images to search (default 4)")
    parser.add_argument("--repetitions", type=at_least_one, default=20, help="timed turns of each (default 20)")
    add_clock(parser)
    parser.set_defaults(opts=[])


def run(options: argparse.Namespace) -> None:
    """Count, time and print.

    Raises:
        OSError, ValueError: a configuration or weights do not fit.
    """
    names = [path.stem for path in options.config_file]
    if len(set(names)) < len(names):
        raise ValueError(f"--config-file: expected files of different names, found {', '.join(names)}")
    weights = options.weights or [""] * len(names)
    if len(weights) != len(names):
        raise ValueError(f"--weights: expected one file for each of {len(names)} configurations, found {len(weights)}")
    print(machine())
    costs = measure(dict(zip(names, zip(options.config_file, weights, strict=True), strict=True)), options)
    print(f"{options.clock} time, median of {options.repetitions} turns; ", end="")
    print(f"{options.scenes} scenes searched {'with given' if options.weights else 'with random'} weights\n")
    print(cost_table(costs))
    first = costs[names[0]]
    searching = options.scenes / statistics.median(map(sum, first.searching))
    training = 2 / statistics.median(map(sum, first.training))
    print(f"\n{names[0]}: {searching:.2f} images a second searching, {training:.2f} in training")


def measure(models: dict[str, tuple[Path, str]], options: argparse.Namespace) -> dict[str, Cost]:
    """Costs by name, from configurations and weights by name."""
    counts, searches, steps = {}, {}, {}
    for name, (path, weights) in models.items():
        cfg = load_config(str(path), list(options.opts))
        now = clock(options.clock, cfg.MODEL.DEVICE)
        model, images = searching_model(cfg, weights), scenes(cfg, options.scenes)
        counts[name] = count(model, images)
        searches[name] = timed_search(model, images, now)
        steps[name] = TrainingStep(cfg, PEOPLE, now)
    searching = in_turn(searches, options.repetitions)
    training = in_turn(steps, options.repetitions)
    return {name: Cost(*counts[name], searching[name], training[name]) for name in models}


def searching_model(cfg: CfgNode, weights: str) -> nn.Module:
    """The model in evaluation mode, with these weights or random ones."""
    torch.manual_seed(0)
    model = INetTrainer.build_model(cfg).eval()
    if weights:
        check_weights(model, weights, complete=True, source="--weights")
        RunCheckpointer(model).load(weights)
    return model


def scenes(cfg: CfgNode, number: int) -> list[Tensor]:
    """Drawn test frames of the demo's kind as the model gets them, (3, H, W) each."""
    preset, mapper = PRESETS["demo"], SearchDatasetMapper(cfg, is_train=False)
    plans = [plan for plan in plan_scenes(preset, SEED).frames if plan.is_test][:number]
    images = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "scene.jpg")
        for plan in plans:
            path.write_bytes(draw_frame(plan, preset, SEED)[0])
            images.append(mapper({"file_name": str(path), "image_id": plan.name})["image"].float())
    return images


def count(model: nn.Module, images: Sequence[Tensor]) -> tuple[int, float, float]:
    """Parameters, and multiply-adds and detections of an image."""
    adapter = OneImage(model)
    flops, detections = [], []
    for image in images:
        flops.append(count_parts(adapter, image, depth=1)[""]["flops"])
        detections.append(adapter.num_detections)
    return sum(p.numel() for p in model.parameters()), statistics.mean(flops), statistics.mean(detections)


def timed_search(model: nn.Module, images: Sequence[Tensor], now: Callable[[], float]) -> Callable[[], list[float]]:
    """A function that searches the images, one at a time, and gives its seconds."""

    @torch.no_grad()
    def search() -> None:
        for image in images:
            model.inference([{"image": image}])

    return timed(search, now)


def cost_table(costs: dict[str, Cost]) -> str:
    """Costs as Markdown, the first as 1."""
    speeds = ("images a second, searching (quartiles)", "training (quartiles)")
    lines = [f"| configuration | parameters, M | multiply-adds, G | detections | {' | '.join(speeds)} |"]
    lines.append("|---|" + "---:|" * 5)
    first = next(iter(costs.values()))
    for name, cost in costs.items():
        cells = [f"{cost.parameters / 1e6:.3f}", f"{cost.flops / 1e9:.3f}", f"{cost.detections:.1f}"]
        for part in ("searching", "training"):
            # Of times, the first's over this one's: that of the images a second is the reverse.
            cells.append(ratio_text(getattr(first, part), getattr(cost, part)))
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)
