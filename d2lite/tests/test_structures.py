"""Boxes, instances and layers."""

import pytest
import torch
from detectron2.layers import Conv2d, FrozenBatchNorm2d, batched_nms, cross_entropy, get_norm
from detectron2.structures import Boxes, ImageList, Instances, pairwise_iou
from torch import nn


def test_boxes_clip_rebinds_and_scale_writes_into_the_storage():
    data = torch.tensor([[-5.0, 2.0, 50.0, 8.0], [1.0, 1.0, 1.0, 9.0]])
    boxes = Boxes(data)
    boxes.scale(2.0, 0.5)
    assert data.tolist() == [[-10.0, 1.0, 100.0, 4.0], [2.0, 0.5, 2.0, 4.5]]
    boxes.clip((4, 60))
    assert boxes.tensor.tolist() == [[0.0, 1.0, 60.0, 4.0], [2.0, 0.5, 2.0, 4.0]]
    assert data[0, 0] == -10.0
    assert [x.tolist() for x in (boxes.nonempty(), boxes.area())] == [[True, False], [180.0, 0.0]]
    assert len(Boxes.cat([boxes[1], Boxes([]), boxes[torch.tensor([True, False])]])) == 2
    with pytest.raises(AssertionError, match="found Inf or NaN"):
        Boxes([[0.0, 0.0, float("nan"), 1.0]]).clip((5, 5))


def test_iou_and_nms_golden():  # G5: 25 / (100 + 100 - 25) = 1/7; boxes without area give 0, not NaN
    a, b = Boxes([[0, 0, 10, 10], [5, 5, 5, 5]]), Boxes([[0, 0, 10, 10], [5, 5, 15, 15], [5, 5, 5, 5]])
    torch.testing.assert_close(pairwise_iou(a, b), torch.tensor([[1, 1 / 7, 0], [0, 0, 0]]))
    boxes, scores = torch.tensor([[0, 0, 10, 10], [0, 0, 10, 5], [0, 0, 10, 10]]), torch.tensor([0.9, 0.8, 0.7])
    kept = [batched_nms(boxes, scores, torch.tensor(group), 0.5).tolist() for group in ([0, 0, 0], [0, 0, 1])]
    assert kept == [[0, 1], [0, 1, 2]]  # an IoU of exactly 0.5 is kept, a copy goes


def test_instances():
    boxes = Boxes(torch.arange(8.0).view(2, 4))
    inst = Instances((30, 40), pred_boxes=boxes, scores=torch.tensor([0.1, 0.2]))
    with pytest.raises(AssertionError, match="expected 2 rows, found 3"):
        inst.gt_pids = torch.zeros(3)
    with pytest.raises(AttributeError, match="gt_pids"):
        _ = inst.gt_pids
    assert inst[1].scores.tolist() == inst[-1].scores.tolist() == pytest.approx([0.2])
    assert len(inst[inst.scores > 0.15]) == 1
    inst.remove("scores")
    joined = Instances.cat([inst, Instances((30, 40), pred_boxes=boxes, scores=torch.zeros(2))])
    assert (set(joined.get_fields()), len(joined)) == ({"pred_boxes"}, 4)  # the fields of the first


def test_image_list_pads_right_and_bottom():
    for div, shape in ((0, (40, 50)), (16, (48, 64)), (32, (64, 64))):
        images = ImageList.from_tensors([torch.ones(3, 33, 50), torch.ones(3, 40, 30)], div, pad_value=7.0)
        assert (images.tensor.shape, images.image_sizes) == ((2, 3, *shape), [(33, 50), (40, 30)])
        assert (images[1].shape, images.tensor[1, 0, 0, 30:].unique().tolist()) == ((3, 40, 30), [7.0])


def test_layers():
    conv = Conv2d(1, 2, 1, bias=False, norm=get_norm("FrozenBN", 2), activation=torch.relu)
    nn.init.constant_(conv.weight, -2.0)
    conv.norm.bias.fill_(1.0)  # -2 * 0.25 + 1 = 0.5; -2 * 3 + 1 = -5 -> 0
    out = conv(torch.tensor([0.25, 3.0]).view(1, 1, 1, 2))
    torch.testing.assert_close(out, torch.tensor([0.5, 0.0]).expand(1, 2, 1, 2))
    assert (get_norm("", 4), get_norm("GN", 64).num_groups) == (None, 32)
    loss = cross_entropy(torch.zeros(0, 3, requires_grad=True), torch.zeros(0, dtype=torch.long))
    loss.backward()  # nothing to learn from: zero, with a graph
    assert loss.item() == 0.0


def test_frozen_batch_norm():
    norm, x = FrozenBatchNorm2d(3), torch.randn(2, 3, 4, 4)
    torch.testing.assert_close(norm(x), x, rtol=0, atol=1e-6)  # it starts as the identity
    assert torch.equal(norm.running_var, torch.ones(3) - 1e-5)
    norm.running_mean.normal_(), norm.running_var.uniform_(0.5, 2), norm.weight.normal_(), norm.bias.normal_()
    torch.testing.assert_close(norm(x), norm(x.clone().requires_grad_()))  # two ways of computing it
    norm.load_state_dict({"weight": torch.full((3,), 3.0), "bias": torch.zeros(3)})  # a file without statistics
    assert norm.running_var.tolist() == [1.0, 1.0, 1.0]
    learned = nn.Sequential(nn.Sequential(nn.BatchNorm2d(2)))
    names = list(learned.state_dict())
    frozen = FrozenBatchNorm2d.convert_frozen_batchnorm(learned)
    assert (isinstance(frozen[0][0], FrozenBatchNorm2d), list(frozen.parameters())) == (True, [])
    assert list(frozen.state_dict()) == names  # num_batches_tracked, too
