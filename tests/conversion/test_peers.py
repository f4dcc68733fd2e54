"""Round trips: a model of ours under its peer's names, converted, is the same model again."""

import pickle
import re
from pathlib import Path

import pytest
import torch
from detectron2.modeling import build_model

from inet_d2.conversion import convert, fill_copies, fit, read_weights, rename
from inet_d2.engine import load_config

CONFIGS = Path(__file__).parents[2] / "configs"
NARROW = [
    "MODEL.DEVICE", "cpu", "MODEL.RESNETS.STEM_OUT_CHANNELS", "8", "MODEL.RESNETS.RES2_OUT_CHANNELS", "16",
    "MODEL.RESNETS.WIDTH_PER_GROUP", "4", "MODEL.ROI_REID_HEAD.EMBED_DIM", "8", "MODEL.ROI_REID_HEAD.NUM_PIDS", "6",
]  # fmt: skip
SEQNET, NAE = "seqnet_r50", "nae_r50"


def build(name):
    torch.manual_seed(0)
    model = build_model(load_config(str(CONFIGS / f"CUHK-SYSU/{name}.yaml"), NARROW))
    for value in model.state_dict().values():
        if value.is_floating_point():
            value.uniform_(0.1, 1.0)
    return model


def resnet_names(name):
    """torchvision's name of one of Detectron2's."""
    name = re.sub(r"^stem\.", "", name)
    name = re.sub(r"^res(\d)", lambda m: f"layer{int(m[1]) - 1}", name)
    name = re.sub(r"shortcut\.norm", "downsample.1", name)
    name = name.replace("shortcut", "downsample.0")
    return re.sub(r"conv(\d)\.norm", r"bn\1", name)


def peers_entries(model, name):
    """The checkpoint that the peer would have written for this model."""
    entries = {}
    for ours, value in model.state_dict().items():
        second = "reid_predictor" if name == SEQNET else "box_predictor"
        if ".identity_losses." in ours:
            continue
        if ours.startswith("backbone."):
            theirs = "backbone." + resnet_names(ours.removeprefix("backbone."))
        elif ours.startswith(("roi_heads.res5.", "roi_heads.reid_res5.")):
            _, stage, rest = ours.split(".", 2)
            theirs = f"roi_heads.{'box_head' if stage == 'res5' else 'reid_head'}." + resnet_names(f"res5.{rest}")
        elif ours.startswith(f"roi_heads.{second}.bbox_pred."):
            theirs = ours.replace(f"{second}.bbox_pred", "box_predictor.bbox_pred.0")
        elif ours.startswith(f"roi_heads.{second}.box_norm."):
            theirs = ours.replace(f"{second}.box_norm", "box_predictor.bbox_pred.1")
        elif ours.startswith("roi_heads.box_predictor."):
            theirs = ours.replace("box_predictor", "faster_rcnn_predictor")
        else:
            theirs = ours.replace("proposal_generator.rpn_head", "rpn.head")
            theirs = theirs.replace("objectness_logits", "cls_logits").replace("anchor_deltas", "bbox_pred")
            theirs = theirs.replace("reid_head.pooled_projector", "embedding_head.projectors.feat_res4")
            theirs = theirs.replace("reid_head.region_projector", "embedding_head.projectors.feat_res5")
            theirs = theirs.replace("reid_head.rescaler", "embedding_head.rescaler")
        if "cls_score" in theirs:
            value = value.flip(0)  # background first
        elif "bbox_pred" in theirs and "rpn" not in theirs and value.dim():
            value = torch.cat([torch.full_like(value, 7.0), value])  # boxes of background, then of people
        entries[theirs] = value
    entries |= {"roi_heads.reid_loss.lut": torch.zeros(6, 8), "roi_heads.reid_loss.cq": torch.zeros(7, 8)}
    if name == NAE:
        entries |= {"roi_heads.box_predictor.cls_score.weight": torch.zeros(2, 128)}
    return entries


def shapes_of(model):
    return {name: tuple(value.shape) for name, value in model.state_dict().items()}


@pytest.mark.parametrize("name", [SEQNET, NAE])
def test_a_round_trip_is_the_same_model(name):
    model = build(name)
    entries = peers_entries(model, name)
    conversion = convert(entries, "", "c4")
    fit(entries, conversion, shapes_of(model))
    weights = rename(entries, conversion)
    # Every entry is accounted for ...
    assert set(conversion.names) | set(conversion.unused) == set(entries)
    assert not set(conversion.names) & set(conversion.unused)
    # ... and every one of ours but the state of the losses is there, with its values.
    expected = {
        key: value
        for key, value in model.state_dict().items()
        if ".identity_losses." not in key and not key.endswith("num_batches_tracked")
    }
    assert set(weights) == set(expected)
    for key, value in expected.items():
        torch.testing.assert_close(weights[key], value, rtol=0, atol=0, msg=key)
    assert f"configs/CUHK-SYSU/{name}.yaml" in conversion.expected


def test_names_of_newer_torchvision():
    model = build(SEQNET)
    entries = {
        key.replace("rpn.head.conv.", "rpn.head.conv.0.0."): value
        for key, value in peers_entries(model, SEQNET).items()
    }
    conversion = convert(entries, "", "c4")
    assert conversion.names["rpn.head.conv.0.0.weight"] == "proposal_generator.rpn_head.conv.weight"


def test_a_model_that_takes_half_of_it_is_refused():
    entries = peers_entries(build(SEQNET), SEQNET)
    with pytest.raises(ValueError, match=r"of SeqNet needs a model that takes all of it, but .* use configs/CUHK-SYSU"):
        fit(entries, convert(entries, "", "c4"), shapes_of(build(NAE)))


def test_a_name_beside_them_is_refused():
    entries = {**peers_entries(build(NAE), NAE), "roi_heads.mask.weight": torch.zeros(1)}
    with pytest.raises(ValueError, match=r"expected the names of NAE, found roi_heads\.mask\.weight"):
        convert(entries, "", "c4")


@pytest.mark.parametrize(
    ("name", "project"),
    [
        ("roi_heads.embedding_head_2nd.rescaler.weight", "COAT"),
        ("gfn.scene_head.weight", "SeqNeXt or GFN"),
        ("roi_heads.score_predictor.weight", "SeqNeXt or GFN"),
        ("bbox_head.reid_convs.0.conv.weight", "AlignPS"),
        ("backbone.SpatialConvolution_0.weight", "serend1p1ty's OIM"),
    ],
)
def test_other_projects_are_told_apart_and_refused(name, project):
    entries = {"backbone.conv1.weight": torch.zeros(1), name: torch.zeros(1)}
    with pytest.raises(ValueError, match=f"it is a checkpoint of {project}, which cannot be converted: "):
        convert(entries, "", "c4")


def test_imagenet_starts_both_fifth_stages():
    shapes = {"roi_heads.res5.0.conv1.weight": (1,), "roi_heads.reid_res5.0.conv1.weight": (1,), "backbone.x": (1,)}
    weights = {"roi_heads.res5.0.conv1.weight": torch.ones(1), "backbone.x": torch.zeros(1)}
    fill_copies(weights, shapes)
    assert weights["roi_heads.reid_res5.0.conv1.weight"] is weights["roi_heads.res5.0.conv1.weight"]
    assert len(weights) == 3
    # A model with one stage, or a file with two, stays as it is.
    single = {"roi_heads.res5.0.conv1.weight": torch.ones(1)}
    fill_copies(single, {"roi_heads.res5.0.conv1.weight": (1,)})
    assert list(single) == ["roi_heads.res5.0.conv1.weight"]


def legacy_file(path, content):
    """What torch.save wrote before its zip format."""
    torch.save(content, path, _use_new_zipfile_serialization=False, pickle_protocol=2)


def write_integer_as_python_2(path):
    """Give the last 5 in a file the form that Python 2 wrote its 64-bit integers in: opcode INT, decimal text."""
    data = path.read_bytes()
    index = data.rindex(b"K\x05")
    path.write_bytes(data[:index] + b"I5\n" + data[index + 2 :])


def test_files_of_python_2_are_read(tmp_path):
    path = tmp_path / "checkpoint.pth"
    legacy_file(path, {"epoch": 5, "model": {"a.weight": torch.arange(3.0)}})
    write_integer_as_python_2(path)
    with pytest.raises(pickle.UnpicklingError):
        torch.load(path, weights_only=True)
    entries, _ = read_weights(path)
    assert entries["a.weight"].tolist() == [0, 1, 2]


class Harmful:
    def __reduce__(self):
        return print, ("run",)


def test_nothing_in_a_file_is_run(tmp_path, capsys):
    path = tmp_path / "checkpoint.pth"
    legacy_file(path, {"epoch": 5, "model": {"a": torch.zeros(1)}, "optimizer": Harmful()})
    write_integer_as_python_2(path)
    with pytest.raises(ValueError, match="found a file that cannot be read"):
        read_weights(path)
    assert capsys.readouterr().out == ""


def test_caffes_vgg16():
    places = [(s, n) for s, depth in enumerate((2, 2, 3, 3, 3), start=1) for n in range(1, depth + 1)]
    entries = {f"conv{s}_{n}.{kind}": torch.zeros(1) for s, n in places for kind in ("weight", "bias")}
    entries |= {"fc6_w": torch.zeros(1), "fc7/1": torch.zeros(1), "rpn_cls_score.weight": torch.zeros(1)}
    conversion = convert(entries, "", "c4")
    assert conversion.names["conv3_2.weight"] == "backbone.stack3.conv3_2.weight"
    assert conversion.names["fc6_w"] == "roi_heads.box_head.fc1.weight"
    assert conversion.names["fc7/1"] == "roi_heads.box_head.fc2.bias"
    assert "INPUT.FORMAT BGR" in conversion.expected
    assert conversion.unused == {
        "rpn_cls_score.weight": "its detector has other anchors, and counts the last pixel of a box as 1 more"
    }
    del entries["conv4_1.weight"]
    with pytest.raises(ValueError, match=r"found none for backbone\.stack4\.conv4_1\.weight"):
        convert(entries, "", "c4")
