import torch
from detectron2.layers import ShapeSpec
from detectron2.modeling.anchor_generator import build_anchor_generator

from inet_d2.engine import load_config
from inet_d2.modeling.anchor_generator import RoundedAnchorGenerator


def generator(sizes, ratios):
    return RoundedAnchorGenerator(sizes=[sizes], aspect_ratios=[ratios], strides=[16], offset=0.0)


def test_hand_worked_anchors_ratio_by_ratio():
    cells = generator([32.0, 64.0], [0.5, 1.0, 2.0]).generate_cell_anchors([32.0, 64.0], [0.5, 1.0, 2.0])
    # Size 32, ratio 0.5: width 32 / 0.7071 = 45.25, height 22.63; halves 22.63 and 11.31, rounded 23 and 11.
    expected = [
        [-23, -11, 23, 11],
        [-45, -23, 45, 23],
        [-16, -16, 16, 16],
        [-32, -32, 32, 32],
        [-11, -23, 11, 23],
        [-23, -45, 23, 45],
    ]
    assert cells.tolist() == expected


def test_halves_go_to_the_even_number():
    # Size 5, ratio 1: half a side is 2.5, which becomes 2, not 3.
    assert generator([5.0], [1.0]).generate_cell_anchors([5.0], [1.0]).tolist() == [[-2, -2, 2, 2]]


def test_anchors_of_a_map_start_at_the_origin():
    (boxes,) = generator([32.0], [1.0])([torch.zeros(1, 1, 2, 3)])
    assert boxes.tensor[0].tolist() == [-16, -16, 16, 16]
    assert boxes.tensor[1].tolist() == [0, -16, 32, 16]  # one stride to the right
    assert len(boxes) == 6


def test_it_is_chosen_by_name():
    cfg = load_config("")
    cfg.MODEL.ANCHOR_GENERATOR.NAME = "RoundedAnchorGenerator"
    cfg.MODEL.ANCHOR_GENERATOR.OFFSET = 0.0
    built = build_anchor_generator(cfg, [ShapeSpec(stride=16)])
    assert isinstance(built, RoundedAnchorGenerator)
    assert built.num_anchors == [15]
