import pytest
import torch
from detectron2.structures import Boxes, Instances

from inet_d2.data.pids import BACKGROUND, IGNORED, UNLABELLED
from inet_d2.modeling.roi_heads.region_pids import keep_shared_people, label_regions

SIZE = (100, 200)


def ground_truth(*people):
    boxes, pids = zip(*people, strict=True) if people else ((), ())
    return Instances(
        SIZE,
        gt_boxes=Boxes(torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4)),
        gt_classes=torch.zeros(len(people), dtype=torch.int64),
        gt_pids=torch.tensor(pids, dtype=torch.int64),
    )


def regions(*rows):
    """Rows of (box, class, pid, ground-truth box)."""
    boxes, classes, pids, gt_boxes = zip(*rows, strict=True)
    return Instances(
        SIZE,
        proposal_boxes=Boxes(torch.tensor(boxes, dtype=torch.float32)),
        objectness_logits=torch.zeros(len(rows)),
        gt_classes=torch.tensor(classes),
        gt_boxes=Boxes(torch.tensor(gt_boxes, dtype=torch.float32)),
        gt_pids=torch.tensor(pids),
    )


A, B = (0, 0, 20, 20), (100, 0, 120, 20)


def test_regions_by_iou():
    targets = ground_truth((A, 4), (B, UNLABELLED))
    sampled = regions(
        (A, 0, 4, A),  # IoU 1
        ((0, 0, 20, 12), 0, 4, A),  # IoU 240/400 = .6
        (B, 0, UNLABELLED, B),
        ((0, 0, 20, 7), 1, 4, A),  # IoU 140/400 = .35
        ((50, 50, 60, 60), 1, 4, A),  # IoU 0; its pid is arbitrary
    )
    paper = label_regions(sampled, targets, person_iou=0.5, background_iou=0.5)
    assert paper.tolist() == [4, 4, UNLABELLED, BACKGROUND, BACKGROUND]
    clean = label_regions(sampled, targets, person_iou=0.7, background_iou=0.2)
    assert clean.tolist() == [4, IGNORED, UNLABELLED, IGNORED, BACKGROUND]


def test_an_image_without_people_is_all_background():
    sampled = regions((A, 1, 0, A))
    sampled.remove("gt_pids")
    assert label_regions(sampled, ground_truth(), person_iou=0.7, background_iou=0.2).tolist() == [BACKGROUND]


def test_a_shared_person_that_was_not_sampled_takes_the_place_of_another():
    targets = [ground_truth((A, 4), (B, 6)), ground_truth((B, 4))]
    first = regions((B, 0, 6, B), ((101, 0, 120, 20), 0, 6, B), ((50, 50, 60, 60), 1, 4, A))
    second = regions((B, 0, 4, B), (A, 1, 4, B))
    kept = keep_shared_people([first, second], targets)
    assert kept[1] is second
    assert kept[0].gt_pids.tolist() == [6, 4, 4]
    assert kept[0].gt_classes.tolist() == [0, 0, 1]
    assert kept[0].proposal_boxes.tensor[1].tolist() == list(A)
    assert kept[0].gt_boxes.tensor[1].tolist() == list(A)
    assert float(kept[0].objectness_logits[1]) == pytest.approx(23.0259, abs=1e-4)
    # The sampler's own result is not changed.
    assert first.proposal_boxes.tensor[1].tolist() == [101, 0, 120, 20]
    assert first.gt_pids.tolist() == [6, 6, 4]


@pytest.mark.parametrize(
    ("targets", "why"),
    [
        ([ground_truth((A, 4)), ground_truth((B, 5))], "nobody is shared"),
        ([ground_truth((A, UNLABELLED)), ground_truth((B, UNLABELLED))], "unlabelled people are not shared"),
        ([ground_truth((A, 4)), ground_truth()], "an image is empty"),
        ([ground_truth((A, 4), (B, 6)), ground_truth((B, 4), (A, 6))], "the only region is of a shared person"),
    ],
)
def test_regions_stay_as_sampled(targets, why):
    first, second = regions((B, 0, 6, B)), regions((B, 0, 5, B))
    kept = keep_shared_people([first, second], targets)
    assert kept[0].gt_pids.tolist() == [6], why
