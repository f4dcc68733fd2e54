import pytest
import torch
from detectron2.layers import Conv2d, FrozenBatchNorm2d, ROIAlign, batched_nms, cross_entropy, get_norm, nms
from torch import nn


def test_conv_applies_norm_then_activation():
    conv = Conv2d(1, 2, 1, bias=False, norm=get_norm("FrozenBN", 2), activation=torch.relu)
    nn.init.constant_(conv.weight, -2.0)
    conv.norm.bias.fill_(1.0)  # -2 * 0.25 + 1 = 0.5; -2 * 3 + 1 = -5 -> 0
    out = conv(torch.tensor([0.25, 3.0]).view(1, 1, 1, 2))
    torch.testing.assert_close(out, torch.tensor([0.5, 0.0]).expand(1, 2, 1, 2))
    assert {"weight", "norm.running_var"} <= set(conv.state_dict())


def test_frozen_batch_norm_starts_as_the_identity_and_has_two_equal_paths():
    norm = FrozenBatchNorm2d(3)
    x = torch.randn(2, 3, 4, 4)
    torch.testing.assert_close(norm(x), x, rtol=0, atol=1e-6)
    assert torch.equal(norm.running_var, torch.ones(3) - 1e-5)
    assert "num_batches_tracked" not in norm.state_dict()
    norm.running_mean.normal_(), norm.running_var.uniform_(0.5, 2), norm.weight.normal_(), norm.bias.normal_()
    torch.testing.assert_close(norm(x), norm(x.clone().requires_grad_()))


def test_frozen_batch_norm_loads_files_without_statistics():
    norm = FrozenBatchNorm2d(2)
    norm.load_state_dict({"weight": torch.full((2,), 3.0), "bias": torch.zeros(2)})
    assert norm.running_var.tolist() == [1.0, 1.0]
    bn = nn.Sequential(nn.Sequential(nn.BatchNorm2d(2)))
    bn[0][0].running_mean.fill_(5.0)
    frozen = FrozenBatchNorm2d.convert_frozen_batchnorm(bn)
    assert isinstance(frozen[0][0], FrozenBatchNorm2d)
    assert frozen[0][0].running_mean.tolist() == [5.0, 5.0]
    assert not list(frozen.parameters())


def test_get_norm():
    assert get_norm("", 4) is get_norm(None, 4) is None
    assert isinstance(get_norm("BN", 4), nn.BatchNorm2d)
    assert get_norm("GN", 64).num_groups == 32
    assert isinstance(get_norm(nn.InstanceNorm2d, 4), nn.InstanceNorm2d)
    with pytest.raises(KeyError):
        get_norm("XN", 4)


@pytest.mark.parametrize(
    ("aligned", "first", "second"),
    [(True, [4.5, 6.5, 20.5, 22.5], [22, 24, 39, 41]), (False, [9, 11, 25, 27], [26.5, 28.5, 43.5, 45.5])],
)
def test_roi_align_golden(aligned, first, second):  # G6
    rois = torch.tensor([[0, 0, 0, 64, 64], [0, 16, 32, 80, 100]]).float()
    out = ROIAlign((2, 2), 1 / 16, 0, aligned)(torch.arange(64.0).view(1, 1, 8, 8), rois)
    torch.testing.assert_close(out.flatten(1), torch.tensor([first, second]).float(), atol=1e-5, rtol=0)


def test_nms_golden():  # G5: IoU 0.5 exactly is kept, a copy goes
    boxes = torch.tensor([[0, 0, 10, 10], [0, 0, 10, 5], [0, 0, 10, 10]]).float()
    scores = torch.tensor([0.9, 0.8, 0.7])
    assert nms(boxes, scores, 0.5).tolist() == [0, 1]
    assert batched_nms(boxes, scores, torch.tensor([0, 0, 1]), 0.5).tolist() == [0, 1, 2]


def test_cross_entropy_of_nothing_is_zero_with_a_graph():
    logits = torch.zeros(0, 3, requires_grad=True)
    loss = cross_entropy(logits, torch.zeros(0, dtype=torch.long))
    loss.backward()
    assert loss.item() == 0.0
