"""The training steps that the tasks "train" and "memory" measure."""

import argparse
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import torch
from detectron2.config import CfgNode
from detectron2.structures import Boxes, Instances
from detectron2.utils.events import EventStorage
from torch import Tensor
from torch.nn import functional as F

from benchmarks.measuring import clock
from inet_d2.data.pids import BACKGROUND, UNLABELLED
from inet_d2.engine import INetTrainer, load_config, training_precision
from inet_d2.modeling.identity.dictionary import FeatureDictionary
from inet_d2.modeling.identity.losses import IdentityLosses

ROOT = Path(__file__).resolve().parents[2]
STEP_CONFIG = ROOT / "configs/demo/inet.yaml"
# Heads whose embedding scores, too, and those they are compared with.
PLAIN_HEADS = {"NAEROIHeads": "INetRes5ROIHeads", "SeqROIHeads": "INetRes5ROIHeads"}
HEP_CONFIG = ROOT / "configs/CUHK-SYSU/inet_vgg16.yaml"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the steps are made of."""
    parser.add_argument("--config-file", type=Path, help="of I-Net; Faster R-CNN is the same without identity losses")
    parser.add_argument("--people", type=people, default=6, help="in each frame (default 6)")
    parser.add_argument("--identities", type=int, nargs="+", default=[5532, 55320, 1000000], help="the first is 1.000")
    parser.set_defaults(opts=[])


def people(text: str) -> int:
    """A number of people, of whom the last has no identity."""
    if not text.isdigit() or int(text) < 2:
        raise argparse.ArgumentTypeError(f"expected at least 2, found {text}")
    return int(text)


def configuration(path: Path, opts: Sequence[str], *, losses: Sequence[str] | None = None) -> CfgNode:
    """Read a configuration and leave only these identity losses on; none at all makes it a plain detector.

    That is Faster R-CNN of the same backbone, resolution and number of RoIs, with one head.
    """
    cfg = load_config(str(path), list(opts))
    if losses is not None:
        reid = cfg.MODEL.ROI_REID_HEAD
        for name, node in reid.items():
            if isinstance(node, CfgNode) and "ENABLED" in node:
                node.ENABLED = name in losses
        reid.EMBEDDING = "learned" if losses else "box_head"
        if not losses:
            heads = cfg.MODEL.ROI_HEADS
            reid.NAME, heads.NAME = "EmbeddingHead", PLAIN_HEADS.get(heads.NAME, heads.NAME)
    return cfg


class TrainingStep:
    """One step of a model on a pair of frames; learning rate 0, so that all models keep the same proposals and RoIs."""

    def __init__(self, cfg: CfgNode, people: int, now: Callable[[], float]) -> None:
        cfg.SOLVER.BASE_LR = 0.0
        self.now, self.precision = now, training_precision(cfg)
        torch.manual_seed(0)
        self.frames = make_pair(cfg, people)
        self.module = INetTrainer.build_model(cfg).train()
        self.optimizer = INetTrainer.build_optimizer(cfg, self.module)
        if self.module.roi_heads.identity_losses.dictionary is not None:
            fill(self.module.roi_heads.identity_losses.dictionary, cfg.MODEL.ROI_REID_HEAD.NUM_PIDS)

    def __call__(self) -> list[float]:
        """Seconds of the parts of a step."""
        return timed_parts(self._loss, self.optimizer, self.now)

    def _loss(self) -> Tensor:
        with torch.autocast(self.module.device.type, self.precision, enabled=self.precision is not None):
            return sum(self.module(self.frames).values())


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


def step_of(name: str, options: argparse.Namespace) -> TrainingStep | HEPStep:
    """Build a step: ``I-Net``, ``I-Net bf16``, ``Faster R-CNN``, ``HEP 5532`` or ``HEP 5532 dense``."""
    kind, *rest = name.split()
    if kind == "HEP":
        cfg = configuration(options.config_file or HEP_CONFIG, options.opts, losses=["HEP"])
        cfg.MODEL.ROI_REID_HEAD.NUM_PIDS = int(rest[0])
        cfg.MODEL.ROI_REID_HEAD.CLASSIFIER.SPARSE_GRADIENT = len(rest) == 1
        return HEPStep(cfg, clock(options.clock, cfg.MODEL.DEVICE))
    cfg = configuration(options.config_file or STEP_CONFIG, options.opts, losses=None if kind == "I-Net" else [])
    cfg.SOLVER.AMP.ENABLED, cfg.SOLVER.AMP.PRECISION = rest == ["bf16"], "bf16"
    return TrainingStep(cfg, options.people, clock(options.clock, cfg.MODEL.DEVICE))
