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
