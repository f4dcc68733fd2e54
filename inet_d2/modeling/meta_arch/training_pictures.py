"""What a training step saw, as pictures: arrays for the event storage or a file. Looking changes nothing."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from detectron2.structures import Instances
from torch import Tensor

from inet_d2.modeling.roi_heads.identity_branch import IdentityBranch
from inet_d2.modeling.roi_heads.region_pids import label_regions
from inet_d2.visualization.region_picture import beside, draw_people, draw_proposals, draw_regions

BEST_PROPOSALS = 20  # of an image are drawn, as many as Detectron2 draws


class SeenRegions:
    """The regions on which the ROI heads computed their losses.

    Attributes:
        sampled: per image, as the heads return them; empty before a step.
        targets: per image, ``gt_boxes`` and ``gt_pids``.
    """

    def __init__(self) -> None:
        self.sampled: list[Instances] = []
        self.targets: list[Instances] = []


@contextmanager
def seen_regions(heads: IdentityBranch) -> Iterator[SeenRegions]:
    """Inside, a training step of the model leaves what its heads sampled in the object that this gives."""
    seen = SeenRegions()

    def keep(_: object, inputs: tuple, output: tuple) -> None:
        seen.sampled, seen.targets = output[0], inputs[3]

    handle = heads.register_forward_hook(keep)
    try:
        yield seen
    finally:
        handle.remove()


def rgb_image(image: Tensor, image_format: str) -> np.ndarray:
    """A model's input (3, H, W), uint8 or float 0-255, as (H, W, 3) uint8 RGB.

    Args:
        image: in the order of ``image_format``.
        image_format: INPUT.FORMAT, "BGR" or "RGB".
    """
    array = image.permute(1, 2, 0).cpu().numpy().astype(np.uint8)
    return np.ascontiguousarray(array[..., ::-1] if image_format == "BGR" else array)


def picture_proposals(image: np.ndarray, target: Instances, proposals: Instances) -> np.ndarray:
    """Annotated people beside the best proposals, (h, 2 W, 3) uint8 RGB.

    Args:
        image: (H, W, 3) uint8 RGB.
        target: ``gt_boxes`` and ``gt_pids``.
        proposals: ``proposal_boxes``, the best first.
    """
    best = _boxes(proposals.proposal_boxes[:BEST_PROPOSALS])
    people = draw_people(image, _boxes(target.gt_boxes), target.gt_pids.cpu().numpy())
    return beside([people, draw_proposals(image, best, len(proposals))])


@torch.no_grad()
def picture_regions(
    image: np.ndarray, target: Instances, sampled: Instances, *, person_iou: float, background_iou: float
) -> np.ndarray:
    """Annotated people, regions of people, and the other regions, (h, 3 W, 3) uint8 RGB.

    Args:
        image: (H, W, 3) uint8 RGB.
        target: ``gt_boxes`` and ``gt_pids``.
        sampled: what the heads sampled.
        person_iou: see :func:`label_regions`.
        background_iou: see :func:`label_regions`.
    """
    pids = label_regions(sampled, target, person_iou=person_iou, background_iou=background_iou).cpu().numpy()
    people = draw_people(image, _boxes(target.gt_boxes), target.gt_pids.cpu().numpy())
    return beside([people, draw_regions(image, _boxes(sampled.proposal_boxes), pids)])


def _boxes(boxes: object) -> np.ndarray:
    return boxes.tensor.detach().float().cpu().numpy()  # numpy knows no bfloat16
