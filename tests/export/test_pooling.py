import torch
from detectron2.modeling.poolers import ROIPooler
from detectron2.structures import Boxes

from inet_d2.export.pooling import pool


def test_each_box_is_pooled_from_its_own_map():
    """Against Detectron2's pooler, with sides at the borders between maps (112, 224, 448) and beside them."""
    generator = torch.Generator().manual_seed(0)
    maps = [torch.rand(1, 2, 512 // stride, 768 // stride, generator=generator) for stride in (4, 8, 16, 32)]
    pooler = ROIPooler(3, scales=(1 / 4, 1 / 8, 1 / 16, 1 / 32), sampling_ratio=2, pooler_type="ROIAlignV2")
    sides = torch.tensor([2.0, 111.9, 112.0, 112.1, 223.9, 224.0, 300.0, 447.9, 448.0, 500.0])
    boxes = torch.stack([0 * sides, 0 * sides + 5, sides, sides + 5], dim=1)[torch.randperm(10, generator=generator)]
    torch.testing.assert_close(pool(pooler, maps, boxes), pooler(maps, [Boxes(boxes)]), rtol=0, atol=0)


def test_maps_without_boxes_are_left_out():
    maps = [torch.ones(1, 2, 64, 64), 2 * torch.ones(1, 2, 32, 32)]
    pooler = ROIPooler(2, scales=(1 / 8, 1 / 16), sampling_ratio=0, pooler_type="ROIPool")
    assert pool(pooler, maps, torch.tensor([[0.0, 0, 400, 400]])).unique().tolist() == [2]
