import pytest
import torch
from detectron2.layers import FrozenBatchNorm2d

from inet_d2.modeling.backbone.vgg import VGG16


def build(**options):
    return VGG16(**{"in_channels": 3, "out_features": ["conv5_3"], "width_factor": 0.125, **options})


def test_shape_of_the_paper():
    model = VGG16(in_channels=3, out_features=["conv5_3"], freeze_at=2)
    assert model.output_shape()["conv5_3"].channels == 512
    assert model.output_shape()["conv5_3"].stride == 16
    # 13 convolutions of VGG16: 14,714,688 weights and biases (Simonyan and Zisserman's configuration D)
    assert sum(p.numel() for p in model.parameters()) == 14_714_688
    # conv1_1, conv1_2, conv2_1, conv2_2: 1,792 + 36,928 + 73,856 + 147,584
    assert sum(p.numel() for p in model.parameters() if not p.requires_grad) == 260_160
    assert "stack5.conv5_3.weight" in model.state_dict()


@pytest.mark.parametrize(("stride", "size"), [(16, (4, 6)), (8, (8, 12))])
def test_stride(stride, size):
    model = build(stride=stride)
    assert model.output_shape()["conv5_3"].stride == stride
    assert model(torch.zeros(2, 3, 64, 96))["conv5_3"].shape == (2, 64, *size)


def test_several_features():
    model = build(out_features=["conv3_3", "conv5_3"])
    outputs = model(torch.zeros(1, 3, 32, 32))
    assert {name: tuple(x.shape[1:]) for name, x in outputs.items()} == {"conv3_3": (32, 8, 8), "conv5_3": (64, 2, 2)}
    assert model.output_shape()["conv3_3"].stride == 4


@pytest.mark.parametrize(("norm", "width"), [("GN", 0.5), ("BN", 0.125), ("FrozenBN", 0.125)])
def test_norm(norm, width):
    model = build(norm=norm, width_factor=width)
    assert model.stack1.conv1_1.bias is None
    assert torch.isfinite(model(torch.randn(1, 3, 32, 32))["conv5_3"]).all()


def test_frozen_stacks_do_not_learn_and_their_batch_norm_holds():
    model = build(norm="BN", freeze_at=1)
    assert isinstance(model.stack1.conv1_1.norm, FrozenBatchNorm2d)
    model(torch.randn(2, 3, 32, 32))["conv5_3"].sum().backward()
    assert model.stack1.conv1_2.weight.grad is None
    assert model.stack2.conv2_1.weight.grad is not None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"width_factor": 0.3}, "WIDTH_FACTOR: every stack needs a whole number of channels"),
        ({"norm": "GN"}, "needs multiples of 32 channels"),
        ({"stride": 4}, "expected 8 or 16, found 4"),
        ({"freeze_at": 6}, "stacks 1 to 5, found 6"),
        ({"out_features": ["res4"]}, r"chosen from \['conv1_2', .*found \['res4'\]"),
    ],
)
def test_bad_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        build(**options)
