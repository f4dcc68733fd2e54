"""What a sampled region is for the identity losses: a person with or without identity, background, or ignored."""

import torch
from detectron2.structures import Boxes, Instances, pairwise_iou
from torch import Tensor

from inet_d2.data.pids import BACKGROUND, IGNORED

# Objectness that Detectron2 gives to ground-truth boxes among the proposals is that of a certain person.
_CERTAIN_LOGIT = 23.0259


def label_regions(proposals: Instances, targets: Instances, *, person_iou: float, background_iou: float) -> Tensor:
    """Pid of each sampled region of one image.

    Args:
        proposals: R sampled regions as ``ROIHeads.label_and_sample_proposals`` returns them: ``proposal_boxes``,
            ``gt_classes`` (0 person, 1 background) and, if the image has ground truth, ``gt_pids``, which is
            arbitrary on background rows.
        targets: ground truth of the image with ``gt_boxes``; may be empty.
        person_iou: a person region with a lower IoU than this is ignored.
        background_iou: a background region with this IoU or more is ignored.

    Returns:
        (R,) int64, encoding of ``inet_d2/data/pids.py``.

    Source: I-Net, section 3.2, the three types of proposals; the thresholds are ours (cold start).
    """
    is_person = proposals.gt_classes == 0
    if len(targets) == 0:
        return torch.full_like(proposals.gt_classes, BACKGROUND)
    iou = pairwise_iou(targets.gt_boxes, proposals.proposal_boxes).amax(dim=0)
    pids = torch.where(is_person, proposals.gt_pids, BACKGROUND)
    ignored = torch.where(is_person, iou < person_iou, iou >= background_iou)
    return torch.where(ignored, IGNORED, pids)


def keep_shared_people(sampled: list[Instances], targets: list[Instances]) -> list[Instances]:
    """Make sure that a person whom both images of a pair show has a region in each of them.

    The sampler may drop every region of a person. Where that happens to a shared identity, its ground-truth box takes
    the place of another person's region, so that the number of regions and of people stays as sampled.

    Args:
        sampled: sampled regions per image; images 2i and 2i + 1 are a pair.
        targets: ground truth per image.

    Returns:
        The regions per image, copies wherever somebody could have been missing. Whether somebody was is not looked at,
        since a GPU would have to be waited for.

    Source: I-Net is silent; see docs/paper_to_code.md (A19).
    """
    kept = []
    for index, (regions, ground_truth) in enumerate(zip(sampled, targets, strict=True)):
        partner = targets[index ^ 1]
        kept.append(_keep_people(regions, ground_truth, partner))
    return kept


def _keep_people(regions: Instances, ground_truth: Instances, partner: Instances) -> Instances:
    if len(ground_truth) == 0 or len(partner) == 0 or not regions.has("gt_pids"):
        return regions
    pids, is_person = ground_truth.gt_pids, regions.gt_classes == 0
    shared = (pids[:, None] == partner.gt_pids).any(dim=1) & (pids >= 0)
    is_own = regions.gt_pids[:, None] == pids
    missing = shared & ~(is_own & is_person[:, None]).any(dim=0)
    # Only regions of people who are not shared give way; the last ones, which were sampled in random order.
    can_give_way = is_person & ~(is_own & shared).any(dim=1)
    later = can_give_way.flip(0).cumsum(0).flip(0) - 1  # regions behind this one that can, too
    number = torch.minimum(missing.sum(), can_give_way.sum())
    gives_way = can_give_way & (later < number)
    # The first missing person has the first of these places.
    people = (~missing).to(torch.int8).argsort(stable=True)[(number - 1 - later).clamp(0, len(pids) - 1)]
    kept = Instances(regions.image_size, **regions.get_fields())

    def replaced(old: Tensor, new: Tensor) -> Tensor:
        return torch.where(gives_way.reshape(-1, *[1] * (old.ndim - 1)), new, old)

    boxes = ground_truth.gt_boxes.tensor[people]
    kept.proposal_boxes = Boxes(replaced(regions.proposal_boxes.tensor, boxes))
    kept.objectness_logits = regions.objectness_logits.masked_fill(gives_way, _CERTAIN_LOGIT)
    kept.gt_boxes = Boxes(replaced(regions.gt_boxes.tensor, boxes))
    for name, values in ground_truth.get_fields().items():
        if name != "gt_boxes":
            kept.set(name, replaced(getattr(regions, name), values[people]))
    return kept
