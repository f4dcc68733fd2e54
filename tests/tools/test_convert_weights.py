import pickle
import re

import numpy as np
import pytest
import torch
import torchvision
from detectron2.layers import ShapeSpec
from detectron2.modeling import build_backbone, build_model

from inet_d2.engine import check_weights, load_config
from places import config_path

VGG = config_path("CUHK-SYSU/inet_vgg16.yaml")
R50_C4 = config_path("CUHK-SYSU/faster_rcnn_r50_c4.yaml")
R50_FPN = config_path("CUHK-SYSU/faster_rcnn_r50_fpn.yaml")
NARROW = config_path("demo/inet.yaml")


@pytest.fixture
def main(tool):
    return tool("convert_weights").main


@pytest.fixture
def convert(main, tmp_path, capsys):
    """Convert named tensors or a file: convert(source, *options) -> (new weights, lines of the report)."""

    def call(source, *options):
        if isinstance(source, dict):
            torch.save(source, tmp_path / "in.pth")
            source = tmp_path / "in.pth"
        assert main([str(x) for x in (source, tmp_path / "out.pth", *options)]) == 0
        return torch.load(tmp_path / "out.pth")["model"], capsys.readouterr().out.splitlines()

    return call


@pytest.fixture
def write_pkl(tmp_path):
    def write(content):
        path = tmp_path / "in.pkl"
        path.write_bytes(pickle.dumps(content, protocol=2))
        return path

    return write


def published(builder):
    """A model of torchvision without memory for its weights, and its entries as tensors that take none either."""
    with torch.device("meta"):
        model = builder(weights=None)
    return model, {name: torch.zeros(()).expand(value.shape) for name, value in model.state_dict().items()}


def randomize(module):
    """Give a module memory and random weights that keep activations of a size; statistics are not those of a start."""
    module.to_empty(device="cpu").eval()
    generator = torch.Generator().manual_seed(0)
    for name, value in module.state_dict().items():
        normal, uniform = (draw(value.shape, generator=generator) for draw in (torch.randn, torch.rand))
        if value.dim() > 1:
            value.copy_(normal * (2 / value[0].numel()) ** 0.5)
        elif name.endswith(("running_var", "weight")):
            value.copy_(0.5 + uniform)
        else:
            value.copy_(0.1 * normal)
    return module


def listed(lines, title):
    """The lines under a title of the report, as many as it says."""
    start = next(i for i, line in enumerate(lines) if line.startswith(title))
    names = lines[start + 1 : start + 1 + int(lines[start].rsplit(" ", 1)[-1])]
    assert all(line.startswith("  ") for line in names)
    return [line.strip() for line in names]


def noise(height, width):
    return torch.randn(1, 3, height, width, generator=torch.Generator().manual_seed(1))


@torch.no_grad()
def test_vgg16_has_the_features_of_torchvisions(convert):
    theirs = randomize(published(torchvision.models.vgg16)[0].features)
    weights, _ = convert({f"features.{name}": value for name, value in theirs.state_dict().items()})
    ours = build_backbone(load_config(VGG), ShapeSpec(channels=3)).eval()
    ours.load_state_dict({name.removeprefix("backbone."): value for name, value in weights.items()})
    expected = theirs[:30](noise(48, 64))  # all but the last pooling
    assert expected.shape == (1, 512, 3, 4)
    assert expected.std() > 0.1
    torch.testing.assert_close(ours(noise(48, 64))["conv5_3"], expected, rtol=1e-5, atol=1e-5)


@torch.no_grad()
def test_resnet_has_the_features_of_torchvisions(convert, tmp_path):
    theirs = randomize(published(torchvision.models.resnet50)[0])
    _, lines = convert(dict(theirs.state_dict()), "--config-file", R50_C4)
    # The weights' own settings, as the report gives them.
    settings = lines[-1].removeprefix("These weights expect ").split(" ")
    assert settings[-2:] == ["MODEL.RESNETS.STRIDE_IN_1X1", "False"]
    cfg = load_config(R50_C4, settings)
    assert cfg.INPUT.FORMAT == "RGB"
    assert cfg.MODEL.PIXEL_STD == [58.395, 57.12, 57.375]
    ours = build_model(cfg).eval()
    check_weights(ours, str(tmp_path / "out.pth"), complete=False)
    ours.load_state_dict(torch.load(tmp_path / "out.pth")["model"], strict=False)
    x = noise(48, 64)
    for layer in (theirs.conv1, theirs.bn1, theirs.relu, theirs.maxpool, theirs.layer1, theirs.layer2, theirs.layer3):
        x = layer(x)
    assert x.std() > 0.1
    features = ours.backbone(noise(48, 64))["res4"]
    largest = float(x.abs().max())
    torch.testing.assert_close(features, x, rtol=1e-5, atol=1e-5 * largest)
    torch.testing.assert_close(ours.roi_heads.res5(x), theirs.layer4(x), rtol=1e-5, atol=1e-5 * largest)


def test_vgg16_fills_the_papers_model_but_for_what_it_cannot_know(convert):
    entries = published(torchvision.models.vgg16)[1]
    weights, lines = convert(entries, "--config-file", VGG)
    assert len(weights) == 13 * 2 + 2 * 2
    assert weights["backbone.stack3.conv3_1.weight"].shape == (256, 128, 3, 3)
    assert weights["roi_heads.box_head.fc1.weight"].shape == (4096, 25088)
    assert weights["roi_heads.box_head.fc2.bias"].shape == (4096,)
    assert [line.split(":")[0] for line in listed(lines, "Not used")] == ["classifier.6.bias", "classifier.6.weight"]
    rest = listed(lines, "Not filled in INet")
    assert "proposal_generator.rpn_head.conv.weight" in rest
    assert "roi_heads.reid_head.embedding.weight" in rest
    assert not [name for name in rest if name.startswith(("backbone", "roi_heads.box_head"))]


def test_shapes_that_do_not_fit_are_left_out_and_named(convert):
    entries = published(torchvision.models.vgg16)[1]
    cfg = load_config(VGG)
    assert cfg.MODEL.ROI_BOX_HEAD.FC_DIM == 4096
    entries["classifier.3.weight"] = torch.zeros(()).expand(1024, 4096)
    weights, lines = convert(entries, "--config-file", VGG)
    assert "roi_heads.box_head.fc2.weight" not in weights
    assert "roi_heads.box_head.fc2.bias" in weights
    reason = "it is (1024, 4096), and the model has (4096, 4096) in roi_heads.box_head.fc2.weight"
    assert f"classifier.3.weight: {reason}" in listed(lines, "Not used")
    assert "roi_heads.box_head.fc2.weight" in listed(lines, "Not filled in INet")


@pytest.mark.parametrize(
    ("options", "last_stage", "stem"),
    [
        (["--layout", "fpn"], "backbone.bottom_up.res5", "backbone.bottom_up.stem"),
        (["--config-file", R50_FPN], "backbone.bottom_up.res5", "backbone.bottom_up.stem"),
        (["--config-file", R50_C4], "roi_heads.res5", "backbone.stem"),
        ([], "roi_heads.res5", "backbone.stem"),
    ],
)
def test_resnet_goes_where_the_model_has_its_stages(convert, options, last_stage, stem):
    weights, lines = convert(published(torchvision.models.resnet50)[1], *options)
    # 53 convolutions, each with a batch norm of four entries.
    assert len(weights) == 53 * 5
    assert weights[f"{last_stage}.0.shortcut.weight"].shape == (2048, 1024, 1, 1)
    assert weights[f"{last_stage}.2.conv3.norm.running_var"].shape == (2048,)
    assert weights[f"{stem}.conv1.norm.bias"].shape == (64,)
    # The classifier, and a counter of each batch norm.
    assert len(listed(lines, "Not used")) == 2 + 53
    if "--config-file" in options:
        rest = listed(lines, "Not filled in INet")
        assert rest
        assert not [name for name in rest if ".res" in name or ".stem" in name]


def caffe2_entries():
    draw = np.random.default_rng(0).standard_normal
    shapes = {
        "conv1_w": (64, 3, 7, 7),
        "res_conv1_bn_s": (64,),
        "res_conv1_bn_b": (64,),
        "res2_0_branch1_w": (256, 64, 1, 1),
        "res2_0_branch1_bn_s": (256,),
        "res4_5_branch2a_w": (256, 1024, 1, 1),
        "res5_2_branch2c_bn_b": (2048,),
        "res5_2_branch2b_w": (512, 512, 3, 3),
        "res3_1_branch2b_bn_gamma": (128,),
        "res3_1_branch2b_bn_beta": (128,),
        "res3_1_branch2b_bn_running_mean": (128,),
        "res3_1_branch2b_bn_running_var": (128,),
        "res5_0_branch2a_bn_riv": (512,),
        "res2_0_branch1_b": (256,),
        "fc1000_w": (1000, 8),
        "conv1_w_momentum": (64, 3, 7, 7),
    }
    return {name: draw(shape, dtype=np.float32) for name, shape in shapes.items()}


def test_imagenet_models_with_caffe2s_names(convert, write_pkl):
    entries = caffe2_entries()
    weights, lines = convert(write_pkl({"blobs": entries}))
    renamed = {
        "backbone.stem.conv1.weight": "conv1_w",
        "backbone.stem.conv1.norm.weight": "res_conv1_bn_s",
        "backbone.stem.conv1.norm.bias": "res_conv1_bn_b",
        "backbone.res2.0.shortcut.weight": "res2_0_branch1_w",
        "backbone.res2.0.shortcut.norm.weight": "res2_0_branch1_bn_s",
        "backbone.res4.5.conv1.weight": "res4_5_branch2a_w",
        "backbone.res3.1.conv2.norm.weight": "res3_1_branch2b_bn_gamma",
        "backbone.res3.1.conv2.norm.bias": "res3_1_branch2b_bn_beta",
        "backbone.res3.1.conv2.norm.running_mean": "res3_1_branch2b_bn_running_mean",
        "backbone.res3.1.conv2.norm.running_var": "res3_1_branch2b_bn_running_var",
        "roi_heads.res5.0.conv1.norm.running_var": "res5_0_branch2a_bn_riv",
        "roi_heads.res5.2.conv3.norm.bias": "res5_2_branch2c_bn_b",
        "roi_heads.res5.2.conv2.weight": "res5_2_branch2b_w",
    }
    for name, source in renamed.items():
        np.testing.assert_array_equal(weights[name], entries[source])
    # The batch norms whose weight is there get statistics that change nothing: (x - 0) / sqrt(var + 1e-5) = x.
    added = {name: value for name, value in weights.items() if name not in renamed}
    layers = ("backbone.stem.conv1.norm", "backbone.res2.0.shortcut.norm")
    assert set(added) == {f"{layer}.running_{kind}" for layer in layers for kind in ("mean", "var")}
    assert added["backbone.stem.conv1.norm.running_mean"].abs().max() == 0
    assert (added["backbone.stem.conv1.norm.running_var"] + 1e-5).eq(1).all()
    unused = [line.split(":")[0] for line in listed(lines, "Not used")]
    assert unused == ["conv1_w_momentum", "fc1000_w", "res2_0_branch1_b"]
    assert lines[-1].endswith("MODEL.PIXEL_MEAN [103.53,116.28,123.675] MODEL.RESNETS.STRIDE_IN_1X1 True")


def test_detectron2s_files(convert, write_pkl):
    weight = np.ones((64, 3, 7, 7), dtype=np.float16)
    content = {"model": {"stem.conv1.weight": weight, "stem.fc.weight": weight}, "__author__": "torchvision"}
    weights, lines = convert(write_pkl({**content, "matching_heuristics": True}), "--layout", "fpn")
    assert list(weights) == ["backbone.bottom_up.stem.conv1.weight"]
    assert weights["backbone.bottom_up.stem.conv1.weight"].dtype == torch.float32
    assert listed(lines, "Not used") == ["stem.fc.weight: no part of our detectors"]
    assert "INPUT.FORMAT RGB" in lines[-1]
    # A whole detector keeps its names; what a model lacks is left out.
    detector = {"backbone.fpn_output2.bias": weight[:, 0, 0, 0], "roi_heads.mask_head.deconv.bias": weight[0]}
    path = write_pkl({"model": detector, "__author__": "Detectron2 Model Zoo"})
    assert set(convert(path)[0]) == set(detector)


def test_a_detectors_heads_of_another_size_are_left_out(convert, write_pkl):
    detector = {
        "backbone.stack1.conv1_1.norm.bias": np.zeros(16, np.float32),
        "roi_heads.box_predictor.cls_score.bias": np.zeros(81, np.float32),
    }
    weights, lines = convert(write_pkl({"model": detector, "__author__": "x"}), "--config-file", NARROW)
    assert list(weights) == ["backbone.stack1.conv1_1.norm.bias"]
    assert any("it is (81,), and the model has (2,)" in line for line in listed(lines, "Not used"))


class Harmful:
    def __reduce__(self):
        return print, ("run",)


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        (None, [], r"in\.pkl: expected a file of weights, found none"),
        (b"cut off", [], r"in\.pkl: expected named arrays, found a file that cannot be read"),
        ({"model": Harmful()}, [], r"cannot be read \(it contains __builtin__\.print\)"),
        ([1, 2], [], r"in\.pkl: expected named arrays, found a list"),
        ({}, [], r"expected the names of torchvision's VGG16 or ResNet.* found no arrays"),
        ({"layers.0.weight": np.zeros(2)}, [], r"found layers\.0\.weight"),
        ({"features.0.weight": np.zeros(2), "features.1.weight": np.zeros(2)}, [], "found another VGG"),
        ({"stem.conv1.weight": np.zeros(2)}, ["--config-file", NARROW], "nothing fits .*inet.yaml.* has no backbone"),
        ({"stem.conv1.weight": np.zeros(2)}, ["--config-file", "none.yaml"], r"none\.yaml: cannot read"),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_sentence(main, write_pkl, tmp_path, capsys, content, options, message):
    if content is not None:
        path = write_pkl(content)
        if isinstance(content, bytes):
            path.write_bytes(content)
    assert main([str(tmp_path / "in.pkl"), str(tmp_path / "out.pth"), *options]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert len(printed.err.splitlines()) == 1
    assert re.search(message, printed.err)
    assert [p.name for p in tmp_path.iterdir() if "out" in p.name] == []


@pytest.mark.parametrize("output", ["out.bin", "nowhere/out.pth"])
def test_where_nothing_can_be_written(main, write_pkl, tmp_path, capsys, output):
    assert main([str(write_pkl(caffe2_entries())), str(tmp_path / output)]) == 2
    assert "expected a name that ends in .pth, in a folder that exists" in capsys.readouterr().err


def test_layout_and_configuration_exclude_each_other(main, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["in.pth", "out.pth", "--layout", "fpn", "--config-file", VGG])
    assert stop.value.code == 2
    assert "leave one of the two out" in capsys.readouterr().err


def test_help_shows_examples(main, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["--help"])
    assert stop.value.code == 0
    assert "python tools/convert_weights.py vgg16" in capsys.readouterr().out
