import torch

from inet_d2.export.selection import best_rows, clip, confident_rows, frame_limits

# Boxes 0 and 1 share 9 x 10 of 10 x 10 + 10 x 10 - 90: IoU 90 / 110 = 0.82; box 2 lies apart.
BOXES = torch.tensor([[0.0, 0, 10, 10], [1, 0, 11, 10], [50, 50, 60, 60]])
ALL = torch.ones(3, dtype=torch.bool)


def test_a_better_box_suppresses_one_that_overlaps_it():
    scores = torch.tensor([0.5, 0.9, 0.7])
    assert best_rows(BOXES, scores, ALL, iou=0.8, count=9).tolist() == [1, 2]
    assert best_rows(BOXES, scores, ALL, iou=0.83, count=9).tolist() == [1, 2, 0]
    assert best_rows(BOXES, scores, ALL, iou=0.83, count=2).tolist() == [1, 2]
    assert best_rows(BOXES, scores, ALL, iou=0.83, count=-1).tolist() == [1, 2, 0]


def test_what_is_not_allowed_suppresses_nothing():
    scores = torch.tensor([0.5, 0.9, 0.7])
    assert best_rows(BOXES, scores, torch.tensor([True, False, True]), iou=0.1, count=9).tolist() == [2, 0]
    assert best_rows(BOXES, scores, ~ALL, iou=0.1, count=9).tolist() == []


def test_confident_rows_are_above_the_threshold_and_finite():
    boxes = torch.cat([BOXES, torch.tensor([[0.0, 0, torch.inf, 9]])])
    scores = torch.tensor([0.5, 0.6, torch.nan, 0.9])
    assert confident_rows(boxes, scores, score=0.5, iou=0.9, count=9).tolist() == [1]


def test_boxes_are_clipped_to_the_frame():
    limits = frame_limits(torch.zeros(1, 3, 40, 70))
    assert limits.tolist() == [70, 40, 70, 40]
    assert clip(torch.tensor([[-5.0, -1, 80, 20], [10, 10, 30, 50]]), limits).tolist() == [
        [0, 0, 70, 20],
        [10, 10, 30, 40],
    ]
