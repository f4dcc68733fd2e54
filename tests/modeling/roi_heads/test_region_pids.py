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
    assert kept[1].gt_pids.tolist() == [4, 4]
    assert torch.equal(kept[1].proposal_boxes.tensor, second.proposal_boxes.tensor)
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


def one_by_one(sampled, targets):
    """The rule region by region, as a list of (pid, box, certain)."""
    rows = [
        (int(pid), box.tolist(), False) for pid, box in zip(sampled.gt_pids, sampled.proposal_boxes.tensor, strict=True)
    ]
    is_person = (sampled.gt_classes == 0).tolist()
    own, partner = (x.gt_pids.tolist() for x in targets)
    shared = [p for p in own if p >= 0 and p in partner]
    there = {pid for (pid, _, _), person in zip(rows, is_person, strict=True) if person}
    missing = [i for i, p in enumerate(own) if p in shared and p not in there]
    places = [i for i, person in enumerate(is_person) if person and rows[i][0] not in shared]
    missing = missing[: len(places)]
    for place, person in zip(places[len(places) - len(missing) :], missing, strict=True):
        rows[place] = (own[person], targets[0].gt_boxes.tensor[person].tolist(), True)
    return rows


@pytest.mark.parametrize("seed", range(40))
def test_places_are_those_of_the_rule(seed):
    generator = torch.Generator().manual_seed(seed)

    def draw(high, *size, low=0):
        return torch.randint(low, high, size, generator=generator)

    targets = [
        ground_truth(*((tuple(draw(90, 4).tolist()), p) for p in draw(6, int(draw(6, 1, low=1)), low=-1).tolist()))
        for _ in range(2)
    ]
    own = targets[0].gt_pids
    sampled = regions(
        *((tuple(draw(90, 4).tolist()), int(draw(2, 1)), int(own[draw(len(own), 1)]), A) for _ in range(8))
    )
    kept, _ = keep_shared_people([sampled, sampled], targets)
    certain = (kept.objectness_logits > 20).tolist()
    found = list(zip(kept.gt_pids.tolist(), kept.proposal_boxes.tensor.tolist(), certain, strict=True))
    assert found == one_by_one(sampled, targets)
    assert kept.gt_classes.tolist() == sampled.gt_classes.tolist()
