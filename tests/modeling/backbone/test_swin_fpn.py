"""Swin-FPN through the registry; on an engine without Swin, the error that says so."""

import pytest
import torch
from detectron2 import modeling
from detectron2.modeling import build_backbone

from inet_d2.engine import load_config
from places import config_path

CONFIG = config_path("CUHK-SYSU/inet_swin_t_fpn.yaml")
NARROW = ["MODEL.SWIN.EMBED_DIM", 12, "MODEL.SWIN.DEPTHS", (1, 2, 1, 1), "MODEL.FPN.OUT_CHANNELS", 8]


def has_swin():
    try:
        modeling.SwinTransformer  # noqa: B018
    except NotImplementedError:
        return False
    return True


needs_swin = pytest.mark.skipif(not has_swin(), reason="this engine has no SwinTransformer")


def build(*options):
    return build_backbone(load_config(CONFIG, [*NARROW, *options]))


@needs_swin
def test_the_pyramid_has_the_strides_it_states():
    backbone = build()
    with torch.no_grad():
        maps = backbone(torch.zeros(1, 3, 64, 96))
    assert list(maps) == ["p2", "p3", "p4", "p5", "p6"]
    for name, spec in backbone.output_shape().items():
        assert maps[name].shape == (1, 8, -(-64 // spec.stride), -(-96 // spec.stride)), name


@needs_swin
@pytest.mark.parametrize(
    ("freeze_at", "frozen"),
    [(0, []), (1, ["patch_embed"]), (2, ["layers.0", "patch_embed"]), (3, ["layers.0", "layers.1", "patch_embed"])],
)
def test_freezing_counts_as_for_the_resnets(freeze_at, frozen):
    backbone = build("MODEL.BACKBONE.FREEZE_AT", freeze_at)
    names = [name for name, p in backbone.bottom_up.named_parameters() if not p.requires_grad]
    assert sorted({".".join(n.split(".")[: 2 if n.startswith("layers") else 1]) for n in names}) == frozen


@needs_swin
def test_fewer_stages_make_a_shorter_pyramid():
    backbone = build("MODEL.FPN.IN_FEATURES", ["p1", "p2"])
    assert list(backbone.output_shape()) == ["p3", "p4", "p5"]


@needs_swin
def test_the_authors_weights_find_their_places(tmp_path):
    """A file in the authors' format, which has the bare network's names under "model", and a classifier."""
    from detectron2.checkpoint import DetectionCheckpointer
    from detectron2.modeling import build_model

    cfg = load_config(CONFIG, [*NARROW, "MODEL.DEVICE", "cpu", "MODEL.ROI_BOX_HEAD.FC_DIM", 8])
    source, model = build_backbone(cfg).bottom_up, build_model(cfg)
    classifier = {"head.weight": torch.zeros(5, 96), "head.bias": torch.zeros(5)}
    torch.save({"model": {**source.state_dict(), **classifier}}, tmp_path / "swin.pth")
    DetectionCheckpointer(model).load(f"{tmp_path}/swin.pth?matching_heuristics=True")
    loaded = model.backbone.bottom_up.state_dict()
    assert [name for name, value in source.state_dict().items() if not torch.equal(value, loaded[name])] == []


@pytest.mark.skipif(has_swin(), reason="this engine has SwinTransformer")
def test_an_engine_without_swin_says_so():
    with pytest.raises(NotImplementedError, match=r"detectron2\.modeling\.SwinTransformer is not part of"):
        build()


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("MODEL.SWIN.NUM_HEADS", (3, 6, 12), "NUM_HEADS: expected one number for each of the 4 stages"),
        ("MODEL.SWIN.NUM_HEADS", (5, 6, 12, 24), r"NUM_HEADS: \(5, 6, 12, 24\) must divide .* \[12, 24, 48, 96\]"),
        ("MODEL.FPN.IN_FEATURES", ["p0", "p2"], r"IN_FEATURES: expected successive stages .* \['p0', 'p2'\]"),
        ("MODEL.FPN.IN_FEATURES", ["res2"], r"IN_FEATURES: expected successive stages .* \['res2'\]"),
        ("MODEL.FPN.IN_FEATURES", [], r"IN_FEATURES: expected successive stages .* \[\]"),
        ("MODEL.BACKBONE.FREEZE_AT", 6, "FREEZE_AT: expected 0 to 5, found 6"),
    ],
)
def test_keys_that_do_not_fit_are_named(key, value, message):
    with pytest.raises(ValueError, match=message):
        build(key, value)
