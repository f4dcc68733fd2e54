import pytest
import torch
from detectron2.modeling import build_backbone

from inet_d2.engine import load_config

NAME = ["MODEL.BACKBONE.NAME", "build_resnet_backbone_fixed_stem", "MODEL.RESNETS.NORM", "BN"]
NARROW = [
    "MODEL.RESNETS.DEPTH",
    "18",
    "MODEL.RESNETS.RES2_OUT_CHANNELS",
    "64",
    "MODEL.RESNETS.OUT_FEATURES",
    "['res4']",
]


def test_the_stem_does_not_learn_but_its_statistics_move():
    backbone = build_backbone(load_config("", [*NAME, *NARROW, "MODEL.BACKBONE.FREEZE_AT", "0"])).train()
    fixed = [name for name, value in backbone.named_parameters() if not value.requires_grad]
    assert fixed == ["stem.conv1.weight", "stem.conv1.norm.weight", "stem.conv1.norm.bias"]
    before = backbone.stem.conv1.norm.running_mean.clone()
    backbone(torch.randn(2, 3, 64, 64))["res4"].sum().backward()
    assert not torch.equal(backbone.stem.conv1.norm.running_mean, before)
    assert backbone.res2[0].conv1.weight.grad is not None


def test_frozen_stages_are_refused():
    cfg = load_config("", [*NAME, *NARROW, "MODEL.BACKBONE.FREEZE_AT", "2"])
    with pytest.raises(ValueError, match=r"expected MODEL\.BACKBONE\.FREEZE_AT 0, found 2"):
        build_backbone(cfg)


@pytest.mark.parametrize("depth", [("50", "16", "64"), ("18", "64", "64")])
def test_the_fifth_stage_may_keep_the_size_of_the_fourth(depth):
    options = ["MODEL.RESNETS.DEPTH", depth[0], "MODEL.RESNETS.WIDTH_PER_GROUP", depth[1], "MODEL.RESNETS.NORM", "BN"]
    options += ["MODEL.RESNETS.RES2_OUT_CHANNELS", depth[2], "MODEL.RESNETS.OUT_FEATURES", "['res4', 'res5']"]
    options += ["MODEL.BACKBONE.FREEZE_AT", "0", "MODEL.RESNETS.STRIDE_IN_1X1", "False", "MODEL.BACKBONE.NAME"]
    torch.manual_seed(0)
    usual = build_backbone(load_config("", [*options, "build_resnet_backbone"])).eval()
    ours = build_backbone(load_config("", [*options, "build_resnet_stride16_backbone"])).eval()
    ours.load_state_dict(usual.state_dict())
    picture = torch.randn(1, 3, 64, 32)
    with torch.no_grad():
        found, expected = ours(picture), usual(picture)
    assert found["res5"].shape[2:] == found["res4"].shape[2:] == (4, 2)
    assert ours.output_shape()["res5"].stride == ours.output_shape()["res4"].stride == 16
    assert torch.equal(found["res4"], expected["res4"])
    # The same filters on twice as many places: every second cell of the first bottleneck is the usual stage's.
    with torch.no_grad():
        assert depth[0] == "18" or torch.allclose(
            ours.res5[0](found["res4"])[:, :, ::2, ::2], usual.res5[0](found["res4"]), atol=1e-5
        )


def test_the_fifth_stage_must_be_there():
    options = ["MODEL.BACKBONE.NAME", "build_resnet_stride16_backbone", "MODEL.RESNETS.OUT_FEATURES", "['res4']"]
    with pytest.raises(ValueError, match=r'expected "res5" in MODEL\.RESNETS\.OUT_FEATURES, found \[.res4.\]'):
        build_backbone(load_config("", options))
