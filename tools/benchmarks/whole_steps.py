"""Whole iterations of the trainer and whole calls of a model in testing, on frames of noise in memory."""

import argparse
import copy
import gc
import itertools
import math
import statistics
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from detectron2.config import CfgNode
from detectron2.layers import FrozenBatchNorm2d
from detectron2.utils.events import EventStorage
from torch import Tensor, nn

from benchmarks.ceilings import computing
from benchmarks.measuring import WARM_UP, clock, in_turn, ratio, seconds, timed
from benchmarks.steps import configuration, fill, make_pair
from inet_d2.engine import INetTrainer
from inet_d2.engine.train_step import TrainStep

KINDS = ("as configured", "Faster R-CNN")


class Subject:
    """A model on its device, with random weights, that trains at a learning rate of 0.

    Args:
        cfg: its configuration.
        people: in each frame.
    """

    def __init__(self, cfg: CfgNode, people: int) -> None:
        torch.manual_seed(0)
        self.cfg, self.people, self.device = cfg, people, cfg.MODEL.DEVICE
        self.module = INetTrainer.build_model(cfg)
        self.optimizer = INetTrainer.build_optimizer(cfg, self.module)
        dictionary = self.module.roi_heads.identity_losses.dictionary
        if dictionary is not None:
            fill(dictionary, cfg.MODEL.ROI_REID_HEAD.NUM_PIDS)
        settle_norms(self.module, self.frames(2))

    def copied(self) -> "Subject":
        """The same once more, with an optimiser of its own."""
        other = copy.copy(self)
        other.module = copy.deepcopy(self.module)
        other.optimizer = INetTrainer.build_optimizer(self.cfg, other.module)
        return other

    def frames(self, count: int) -> list[dict]:
        """That many images, two and two with the same people; boxes are for training."""
        torch.manual_seed(0)
        return [x for _ in range(-(-count // 2)) for x in make_pair(self.cfg, self.people)][:count]

    @property
    def batch(self) -> int:
        """Images of an iteration, by the configuration."""
        return self.cfg.SOLVER.IMS_PER_BATCH

    def training(
        self, precision: str, batch: int | None = None, trainer: Callable[[TrainStep], object] = lambda _: None
    ) -> Callable[[], None]:
        """One iteration, as train_net.py runs it.

        Args:
            precision: see :func:`benchmarks.ceilings.computing`.
            batch: images; by default the configuration's.
            trainer: gets what does the iteration, before the first one.
        """
        frames = self.frames(batch or self.batch)
        step = TrainStep(
            self.module.train(),
            itertools.repeat(frames),
            self.optimizer,
            output_dir=tempfile.gettempdir(),
            precision=torch.bfloat16 if precision == "bf16" else None,
        )

        trainer(step)
        iterations = itertools.count(1)

        def call() -> None:
            self.module.train()
            with computing(precision), EventStorage(next(iterations)):
                step.run_step()

        return call

    def testing(self, precision: str, batch: int = 1) -> Callable[[], None]:
        """One call on ``batch`` images: people and, of I-Net, their embeddings."""
        frames = [{key: x[key] for key in ("image", "height", "width")} for x in self.frames(batch)]
        half = torch.autocast(torch.device(self.device).type, torch.bfloat16, enabled=precision == "bf16")

        def call() -> None:
            self.module.eval()
            with computing(precision), half, torch.no_grad():
                self.module(frames)

        return call

    @property
    def state_bytes(self) -> int:
        """Weights, buffers and what the optimiser keeps."""
        kept = [x for values in self.optimizer.state.values() for x in values.values() if isinstance(x, Tensor)]
        return sum(x.nbytes for x in itertools.chain(self.module.parameters(), self.module.buffers(), kept))


class Subjects:
    """Models that are built when they are asked for first; those of one configuration are kept.

    Args:
        options: ``device`` (None for the configuration's), ``people`` and ``opts`` of the command line.

    Attributes:
        peak: operations a second that the device is capable of; NaN until somebody measures it.
    """

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.peak = math.nan
        self._path: Path | None = None
        self._kept: dict[str, Subject] = {}

    def get(self, path: Path, kind: str) -> Subject:
        """The model of a configuration, or the same without identity losses ("Faster R-CNN").

        Raises:
            ValueError: the configuration does not fit.
        """
        if path != self._path:
            self.clear()
            self._path = path
        if kind not in self._kept:
            cfg = configuration(path, self.options.opts, losses=[] if kind == "Faster R-CNN" else None)
            cfg.MODEL.DEVICE, cfg.SOLVER.BASE_LR = self.options.device or cfg.MODEL.DEVICE, 0.0
            self._kept[kind] = Subject(cfg, self.options.people)
        return self._kept[kind]

    @property
    def now(self) -> Callable[[], float]:
        """The clock that the command line asks for."""
        return clock(self.options.clock, self.options.device)

    def clear(self) -> None:
        """Let go of all models and of the memory that the device keeps for them."""
        self._kept.clear()
        release(self.options.device or "cpu")


@torch.no_grad()
def settle_norms(module: nn.Module, frames: list[dict]) -> None:
    """Give each batch norm the statistics of what it sees, layer after layer, as training would have.

    Without them, values grow from block to block of a ResNet with random weights, and no proposal lies in its image.
    """

    def settle(norm: nn.Module, inputs: tuple[Tensor]) -> None:
        if len(inputs[0]):
            norm.running_mean.copy_(inputs[0].mean((0, 2, 3)))
            norm.running_var.copy_(inputs[0].var((0, 2, 3), unbiased=False))

    norms = [x for x in module.modules() if isinstance(x, FrozenBatchNorm2d | nn.BatchNorm2d)]
    hooks = [norm.register_forward_pre_hook(settle) for norm in norms]
    module.eval()(frames)
    for hook in hooks:
        hook.remove()


def release(device: str) -> None:
    """Give back memory that nothing uses."""
    gc.collect()
    if device.startswith("cuda"):
        torch.cuda.empty_cache()


def working_bytes(subject: Subject, step: Callable[[], object]) -> int | None:
    """Memory that a step needs on a GPU, with the model's weights and optimiser; None where nothing counts it."""
    if not subject.device.startswith("cuda"):
        return None
    subject.optimizer.zero_grad()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    step()
    return subject.state_bytes + torch.cuda.max_memory_allocated() - before


def times_in_turn(
    steps: Mapping[str, Callable[[], object]], now: Callable[[], float], *, limit: float, most: int = 30
) -> dict[str, list[list[float]]]:
    """Seconds of whole steps in turn, between 3 and ``most`` of each, in about ``limit`` seconds of a clock."""
    once = 0.0
    for step in steps.values():
        for _ in range(WARM_UP):
            step()
        once += seconds(step, now)
    repetitions = min(max(round(limit / once), 3), most)
    return in_turn({name: timed(step, now) for name, step in steps.items()}, repetitions, warm_up=0)


def summary(times: Mapping[str, list[list[float]]], name: str, reference: str) -> dict[str, float]:
    """Median milliseconds of a step, and the ratio to the reference with its quartiles."""
    middle, low, high = ratio(times[name], times[reference])
    step = 1e3 * statistics.median(map(sum, times[name]))
    return {"step_ms": step, "ratio": middle, "ratio_low": low, "ratio_high": high, "steps": len(times[name])}


def compiled(module: nn.Module) -> nn.Module:
    """The same module, whose backbone ``torch.compile`` translates when it is first called."""
    module.backbone.compile()
    return module
