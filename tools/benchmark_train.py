"""Measure training: I-Net against Faster R-CNN, and HEP against the number of identities.

Examples:
    python tools/benchmark.py --task train
    python tools/benchmark.py --task memory
    python tools/benchmark.py --task train --config-file configs/CUHK-SYSU/inet_vgg16.yaml --repetitions 5
    python tools/benchmark.py --task train --identities 5532 55320 MODEL.ROI_REID_HEAD.CLASSIFIER.COSINE True

--task train times, on this machine and in this run, training steps (forward, backward, optimiser) on frames in memory:
I-Net and Faster R-CNN with the same backbone, resolution and number of RoIs in turn; the identity losses with HEP
alone, on random regions, for several numbers of identities in turn.
--task memory measures the peak memory of the same steps, each in a process of its own; --task train ends with it.

Without --config-file the steps are those of configs/demo/inet.yaml, and HEP has the paper's sizes
(configs/CUHK-SYSU/inet_vgg16.yaml). A configuration that is given serves for both.
"""

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import detectron2
import torch
from detectron2.config import CfgNode
from detectron2.structures import Boxes, Instances
from detectron2.utils.events import EventStorage
from torch import Tensor
from torch.nn import functional as F

from inet_d2.command_line import exit_status, split_options
from inet_d2.data.pids import BACKGROUND, UNLABELLED
from inet_d2.engine import INetTrainer, load_config
from inet_d2.modeling.identity.dictionary import FeatureDictionary
from inet_d2.modeling.identity.losses import IdentityLosses

ROOT = Path(__file__).resolve().parent.parent
STEP_CONFIG = ROOT / "configs/demo/inet.yaml"
HEP_CONFIG = ROOT / "configs/CUHK-SYSU/inet_vgg16.yaml"
WARM_UP = 3
# A dense gradient of more rows than this takes too long to be measured along the way.
DENSE_UP_TO = 100_000
PARTS = ("forward", "backward", "optimiser")


def configuration(path: Path, opts: Sequence[str], *, losses: Sequence[str] | None = None) -> CfgNode:
    """Read a configuration and leave only these identity losses on; none at all makes it a plain detector."""
    cfg = load_config(str(path), list(opts))
    if losses is not None:
        reid = cfg.MODEL.ROI_REID_HEAD
        for name, node in reid.items():
            if isinstance(node, CfgNode) and "ENABLED" in node:
                node.ENABLED = name in losses
        reid.EMBEDDING = "learned" if losses else "box_head"
    return cfg


class TrainingStep:
    """One step of a model on a pair of frames; learning rate 0, so that all models keep the same proposals and RoIs."""

    def __init__(self, cfg: CfgNode, people: int, now: Callable[[], float]) -> None:
        cfg.SOLVER.BASE_LR = 0.0
        self.now = now
        torch.manual_seed(0)
        self.frames = make_pair(cfg, people)
        self.module = INetTrainer.build_model(cfg).train()
        self.optimizer = INetTrainer.build_optimizer(cfg, self.module)
        if self.module.roi_heads.identity_losses.dictionary is not None:
            fill(self.module.roi_heads.identity_losses.dictionary, cfg.MODEL.ROI_REID_HEAD.NUM_PIDS)

    def __call__(self) -> list[float]:
        """Seconds of the parts of a step."""
        return timed_parts(lambda: sum(self.module(self.frames).values()), self.optimizer, self.now)


class HEPStep:
    """One step of the identity losses with HEP alone, on the regions of a pair of frames."""

    def __init__(self, cfg: CfgNode, now: Callable[[], float]) -> None:
        torch.manual_seed(0)
        reid, heads = cfg.MODEL.ROI_REID_HEAD, cfg.MODEL.ROI_HEADS
        self.now, self.device, self.num_pids = now, cfg.MODEL.DEVICE, reid.NUM_PIDS
        self.module = IdentityLosses(cfg).to(self.device)
        self.optimizer = INetTrainer.build_optimizer(cfg, self.module)
        fill(self.module.dictionary, self.num_pids)
        self.persons = int(heads.BATCH_SIZE_PER_IMAGE * heads.POSITIVE_FRACTION)
        self.shape = (2 * heads.BATCH_SIZE_PER_IMAGE, reid.EMBED_DIM)

    def __call__(self) -> list[float]:
        """Seconds of the parts of a step; every step has people of its own: four with an identity and one without."""
        embeddings = F.normalize(torch.randn(self.shape, device=self.device)).requires_grad_()
        people = torch.cat([torch.randint(self.num_pids, (4,)), torch.tensor([UNLABELLED])])
        pids = torch.full((2, self.shape[0] // 2), BACKGROUND, device=self.device)
        pids[:, : self.persons] = people.repeat(self.persons)[: self.persons].to(self.device)
        pids = pids.flatten()
        images = torch.arange(2, device=self.device).repeat_interleave(self.shape[0] // 2)
        return timed_parts(lambda: sum(self.module(embeddings, pids, images)[0].values()), self.optimizer, self.now)


def timed_parts(loss: Callable[[], Tensor], optimizer: torch.optim.Optimizer, now: Callable[[], float]) -> list[float]:
    """Seconds of forward, backward and optimiser."""
    with EventStorage():
        marks = [now()]
        value = loss()
        marks.append(now())
        value.backward()
        marks.append(now())
        optimizer.step()
        optimizer.zero_grad()
        marks.append(now())
    return [end - begin for begin, end in pairwise(marks)]


def clock(kind: str, device: str) -> Callable[[], float]:
    """A clock, ``wall`` or ``cpu``, that waits for what a GPU has been asked to do."""
    read = time.perf_counter if kind == "wall" else time.process_time
    return (lambda: (torch.cuda.synchronize(), read())[1]) if device.startswith("cuda") else read


def fill(dictionary: FeatureDictionary, num_pids: int) -> None:
    """Fill the dictionary, so that the first step costs what a later one does."""
    pids = torch.randint(num_pids, (dictionary.size,), device=dictionary.pids.device)
    dictionary.update(F.normalize(torch.randn_like(dictionary.embeddings)), pids)


def make_pair(cfg: CfgNode, people: int) -> list[dict]:
    """Two frames of noise in the proportions 4 : 3 that show the same people, the last of them without an identity."""
    short = cfg.INPUT.MIN_SIZE_TRAIN[0]
    size = (short, min(short * 4 // 3, cfg.INPUT.MAX_SIZE_TRAIN))
    pids = torch.randperm(cfg.MODEL.ROI_REID_HEAD.NUM_PIDS)[:people]
    pids[people - 1 :] = UNLABELLED
    pair = []
    for _ in range(2):
        height = size[0] * torch.empty(people).uniform_(0.3, 0.7)
        shape = torch.stack([0.4 * height, height], dim=1)
        corner = torch.rand(people, 2) * (torch.tensor([size[1], size[0]]) - shape)
        truth = Instances(size, gt_boxes=Boxes(torch.cat([corner, corner + shape], dim=1)), gt_pids=pids)
        truth.gt_classes = torch.zeros(people, dtype=torch.int64)
        image = torch.randint(256, (3, *size), dtype=torch.uint8)
        pair.append({"image": image, "instances": truth, "height": size[0], "width": size[1]})
    return pair


def in_turn(steps: Mapping[str, Callable[[], list[float]]], repetitions: int) -> dict[str, list[list[float]]]:
    """Seconds of the parts of each step, by repetition; all steps see the same ups and downs of the machine."""
    times: dict[str, list[list[float]]] = {name: [] for name in steps}
    names = list(steps)
    for repetition in range(-WARM_UP, repetitions):
        first = repetition % len(names)
        for name in names[first:] + names[:first]:
            torch.manual_seed(WARM_UP + repetition)
            parts = steps[name]()
            if repetition >= 0:
                times[name].append(parts)
    return times


def ratio(times: Sequence[Sequence[float]], reference: Sequence[Sequence[float]]) -> tuple[float, float, float]:
    """Median and quartiles of the ratio of steps of the same repetition."""
    ratios = [sum(parts) / sum(base) for parts, base in zip(times, reference, strict=True)]
    low, middle, high = statistics.quantiles(ratios, n=4, method="inclusive") if len(ratios) > 1 else 3 * ratios
    return middle, low, high


def time_table(times: Mapping[str, list[list[float]]], reference: str) -> str:
    """Median milliseconds of each step and its parts, and its ratio to the reference, as Markdown."""
    lines = [f"| step | {' | '.join(f'{part} ms' for part in PARTS)} | together ms | ratio (quartiles) |"]
    lines.append("|---|" + "---:|" * 5)
    for name, steps in times.items():
        parts = [1e3 * statistics.median(part) for part in zip(*steps, strict=True)]
        cells = [f"{value:.2f}" for value in (*parts, 1e3 * statistics.median(map(sum, steps)))]
        middle, low, high = ratio(steps, times[reference])
        lines.append(f"| {name} | {' | '.join(cells)} | {middle:.3f} ({low:.3f} to {high:.3f}) |")
    return "\n".join(lines)


def step_of(name: str, options: argparse.Namespace) -> TrainingStep | HEPStep:
    """Build a step: ``I-Net``, ``Faster R-CNN``, ``HEP 5532`` or ``HEP 5532 dense``."""
    kind, *rest = name.split()
    if kind == "HEP":
        cfg = configuration(options.config_file or HEP_CONFIG, options.opts, losses=["HEP"])
        cfg.MODEL.ROI_REID_HEAD.NUM_PIDS = int(rest[0])
        cfg.MODEL.ROI_REID_HEAD.CLASSIFIER.SPARSE_GRADIENT = len(rest) == 1
        return HEPStep(cfg, clock(options.clock, cfg.MODEL.DEVICE))
    cfg = configuration(options.config_file or STEP_CONFIG, options.opts, losses=None if kind == "I-Net" else [])
    return TrainingStep(cfg, options.people, clock(options.clock, cfg.MODEL.DEVICE))


def measure_time(options: argparse.Namespace) -> None:
    """Time both kinds of steps and print the tables."""
    cfg = configuration(options.config_file or STEP_CONFIG, options.opts)
    height, width = make_pair(cfg, 1)[0]["instances"].image_size
    print(f"{options.clock} time, median of {options.repetitions} steps in turn; two frames of {width} x {height},")
    print(f"{cfg.MODEL.ROI_HEADS.BATCH_SIZE_PER_IMAGE} RoIs each, {cfg.MODEL.BACKBONE.NAME}, {cfg.SOLVER.OPTIMIZER}\n")
    time_in_turn(["Faster R-CNN", "I-Net"], options)
    cfg = configuration(options.config_file or HEP_CONFIG, options.opts)
    reid = cfg.MODEL.ROI_REID_HEAD
    print(f"\nIdentity losses with HEP alone, {2 * cfg.MODEL.ROI_HEADS.BATCH_SIZE_PER_IMAGE} RoIs, {reid.EMBED_DIM}-D,")
    print(f"dictionary of {reid.DICTIONARY.SIZE}, pool of {reid.HEP.NUM_CLASSES}, {cfg.SOLVER.OPTIMIZER}\n")
    names = [f"HEP {n}" for n in options.identities]
    time_in_turn([*names, *(f"HEP {n} dense" for n in options.identities if n <= DENSE_UP_TO)], options)


def time_in_turn(names: Sequence[str], options: argparse.Namespace) -> None:
    """Build steps, time them in turn and print their table; the first is the reference."""
    steps = {name: step_of(name, options) for name in names}
    print(time_table(in_turn(steps, options.repetitions), names[0]), flush=True)


def peak_mib(device: str) -> float:
    """Largest memory so far: PyTorch's counter on a GPU, otherwise the resident memory of this process."""
    if device.startswith("cuda"):
        return torch.cuda.max_memory_allocated() / (1 << 20)
    status = Path("/proc/self/status")
    if status.exists():
        # Not getrusage: on Linux it is never below the memory of the process that started this one.
        return int(status.read_text().split("VmHWM:")[1].split()[0]) / (1 << 10)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10)


def memory_of(name: str, options: argparse.Namespace) -> dict[str, float]:
    """Peak memory of some steps in this process, in MiB; ``working`` is all but weights and optimiser state."""
    device = configuration(options.config_file or STEP_CONFIG, options.opts).MODEL.DEVICE
    before = peak_mib(device)
    step = step_of(name, options)
    for _ in range(WARM_UP):
        step()
    total = peak_mib(device) - before
    state = [x for values in step.optimizer.state.values() for x in values.values() if isinstance(x, Tensor)]
    weights, optimizer = (
        sum(x.nbytes for x in part) / (1 << 20) for part in (step.module.state_dict().values(), state)
    )
    return {"weights": weights, "optimiser": optimizer, "working": total - weights - optimizer, "together": total}


def measure_memory(options: argparse.Namespace) -> None:
    """Measure each step in a process of its own and print the table."""
    parts = ("weights", "optimiser", "working", "together")
    print(f"\n| process | {' | '.join(f'{part} MiB' for part in parts)} | ratio of working | of together |")
    print("|---|" + "---:|" * (len(parts) + 2))
    config = ["--config-file", str(options.config_file)] if options.config_file else []
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    for names in (["Faster R-CNN", "I-Net"], [f"HEP {n}" for n in options.identities]):
        reference = None
        for name in names:
            command = [sys.executable, __file__, "--of", name, "--people", str(options.people), *config, *options.opts]
            peak = json.loads(subprocess.check_output(command, env={**os.environ, "PYTHONPATH": path}).splitlines()[-1])
            reference = reference or peak
            cells = [f"{peak[part]:.0f}" for part in parts]
            cells += [f"{peak[part] / reference[part]:.3f}" for part in parts[2:]]
            print(f"| {name} | {' | '.join(cells)} |", flush=True)


def run(options: argparse.Namespace) -> None:
    """Measure what the options ask for.

    Raises:
        OSError, ValueError: the configuration does not fit.
    """
    if options.of:
        print(json.dumps(memory_of(options.of, options)))
        return
    print(f"{platform.machine()}, {os.cpu_count()} CPUs, {torch.get_num_threads()} threads, ", end="")
    print(f"torch {torch.__version__}, detectron2 {detectron2.__version__}")
    if options.task == "train":
        measure_time(options)
    measure_memory(options)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tool."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.usage = "benchmark.py --task train|memory [options] [KEY VALUE ...]"
    parser.add_argument("--task", choices=("train", "memory"), default="train")
    parser.add_argument("--config-file", type=Path, help="of I-Net; Faster R-CNN is the same without identity losses")
    parser.add_argument("--repetitions", type=int, default=30, help="timed steps of each kind (default 30)")
    parser.add_argument(
        "--clock", choices=("wall", "cpu"), default="wall", help="cpu, with OMP_NUM_THREADS=1: where other work goes on"
    )
    parser.add_argument("--people", type=int, default=6, help="in each frame (default 6)")
    parser.add_argument("--identities", type=int, nargs="+", default=[5532, 55320, 1000000], help="the first is 1.000")
    parser.add_argument("--of", help=argparse.SUPPRESS)
    words, opts = split_options(sys.argv[1:] if arguments is None else arguments)
    options = parser.parse_args(words, argparse.Namespace(opts=opts))
    if options.repetitions < 1 or options.people < 2:
        parser.error(f"expected --repetitions >= 1 and --people >= 2, found {options.repetitions} and {options.people}")
    return exit_status("benchmark", lambda: run(options))


if __name__ == "__main__":
    sys.exit(main())
