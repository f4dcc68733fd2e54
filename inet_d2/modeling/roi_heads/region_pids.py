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
        The regions per image, the given objects where nothing had to change.

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
    pids = ground_truth.gt_pids
    is_person = regions.gt_classes == 0
    shared = torch.isin(pids, partner.gt_pids) & (pids >= 0)
    missing = shared & ~torch.isin(pids, regions.gt_pids[is_person])
    # Only regions of people who are not shared give way; the last ones, which were sampled in random order.
    places = (is_person & ~torch.isin(regions.gt_pids, pids[shared])).nonzero(as_tuple=True)[0]
    missing = missing.nonzero(as_tuple=True)[0][: len(places)]
    if len(missing) == 0:
        return regions
    kept = Instances(regions.image_size, **regions.get_fields())
    places = places[len(places) - len(missing) :]
    boxes = regions.proposal_boxes.tensor.clone()
    boxes[places] = ground_truth.gt_boxes.tensor[missing]
    kept.proposal_boxes = Boxes(boxes)
    kept.objectness_logits = regions.objectness_logits.index_fill(0, places, _CERTAIN_LOGIT)
    for name, values in ground_truth.get_fields().items():
        if name == "gt_boxes":
            rows = regions.gt_boxes.tensor.clone()
            rows[places] = values.tensor[missing]
            kept.gt_boxes = Boxes(rows)
        else:
            kept.set(name, getattr(regions, name).index_copy(0, places, values[missing]))
    return kept
