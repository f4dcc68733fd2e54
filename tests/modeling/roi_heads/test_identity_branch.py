"""The identity side on every kind of ROI heads: one feature map, several, and a ResNet's fifth stage."""

import pytest
import torch
from detectron2.layers import ShapeSpec
from detectron2.modeling import build_model
from detectron2.modeling.roi_heads import build_roi_heads
from detectron2.structures import Boxes
from detectron2.utils.events import EventStorage
from torch.nn.functional import normalize

from narrow import narrow_config

LEFT, RIGHT = (10, 10, 40, 80), (70, 20, 110, 90)
DETECTION = {"loss_cls", "loss_box_reg", "loss_rpn_cls", "loss_rpn_loc"}
BACKBONES = {
    "vgg16": ("Base-INet-VGG16.yaml", []),
    "vgg16 on two levels": (
        "Base-INet-VGG16.yaml",
        ["MODEL.ROI_HEADS.IN_FEATURES", ["conv4_3", "conv5_3"], "MODEL.ROI_BOX_HEAD.POOLER_TYPE", "ROIAlignV2"],
    ),
    "r50 c4": ("Base-INet-R50-C4.yaml", ["MODEL.ROI_BOX_HEAD.POOLER_RESOLUTION", 4]),
    "r50 fpn": ("Base-INet-R50-FPN.yaml", []),
    "swin fpn": ("CUHK-SYSU/inet_swin_t_fpn.yaml", []),
}
OIM = ["MODEL.ROI_REID_HEAD.OLP.ENABLED", False, "MODEL.ROI_REID_HEAD.HEP.ENABLED", False]
FIXED = [*OIM, "MODEL.ROI_REID_HEAD.EMBEDDING", "box_head"]
OIM = [*OIM, "MODEL.ROI_REID_HEAD.OIM.ENABLED", True]


def narrow_cfg(backbone, options=()):
    path, changes = BACKBONES[backbone]
    return narrow_config(path, [*changes, *options])


def build(backbone, options=()):
    torch.manual_seed(0)
    try:
        return build_model(narrow_cfg(backbone, options))
    except NotImplementedError as error:
        if "swin" not in backbone:
            raise
        pytest.skip(str(error))


def step(model, batch):
    torch.manual_seed(0)
    with EventStorage():
        return model(batch)


@pytest.fixture(params=BACKBONES)
def backbone(request):
    return request.param


@pytest.mark.parametrize(
    ("options", "names"),
    [((), {"loss_olp", "loss_hep"}), (OIM, {"loss_oim"}), (FIXED, set())],
    ids=("inet", "oim", "frcnn"),
)
def test_one_step_trains_every_part(backbone, options, names, make_image):
    model = build(backbone, options)
    # A second step, since OIM's tables are empty in the first.
    for _ in range(2):
        losses = step(model, [make_image([(LEFT, 2), (RIGHT, -1)]), make_image([(RIGHT, 2), (LEFT, 4)], seed=1)])
        assert set(losses) == DETECTION | names
        model.zero_grad()
        total = sum(losses.values())
        total.backward()
        assert torch.isfinite(total)
    assert [name for name, p in model.named_parameters() if p.requires_grad and p.grad is None] == []
    for name in names:
        assert losses[name] > 0
    if names:
        assert model.roi_heads.reid_head.embedding.weight.grad.any()


@pytest.mark.parametrize("options", [(), FIXED], ids=("learned", "fixed"))
def test_detections_and_queries_have_unit_embeddings(backbone, options, make_image):
    model = build(backbone, options).eval()
    image = make_image([])
    image["query_boxes"] = image["gallery_boxes"] = torch.tensor([LEFT, RIGHT], dtype=torch.float32)
    with torch.no_grad():
        (given,) = model([image])
        del image["gallery_boxes"]
        (detected,) = model([image])
    torch.testing.assert_close(given["instances"].pred_embeddings, given["query_embeddings"])
    torch.testing.assert_close(detected["query_embeddings"], given["query_embeddings"])
    embeddings = detected["instances"].pred_embeddings
    assert len(embeddings) > 0
    torch.testing.assert_close(embeddings.norm(dim=1), torch.ones(len(embeddings)))
    assert not torch.allclose(given["query_embeddings"][0], given["query_embeddings"][1])


@pytest.mark.parametrize("pool_final_box", [False, True])
def test_the_embedding_belongs_to_its_detection(backbone, pool_final_box, make_image):
    model = build(backbone, ["MODEL.ROI_REID_HEAD.POOL_FINAL_BOX", pool_final_box]).eval()
    image, heads = make_image([]), model.roi_heads
    with torch.no_grad():
        detections = model.inference([image], do_postprocess=False)[0]
        images = model.preprocess_image([image])
        features = model.backbone(images.tensor)
        if pool_final_box:
            expected = heads.embed_boxes(features, [detections.pred_boxes])
        else:
            proposals = model.proposal_generator(images, features, None)[0]
            boxes = [x.proposal_boxes for x in proposals]
            predictions = heads.box_predictor(heads.region_features(heads.pool_regions(features, boxes)))
            expected = heads.embed_boxes(features, boxes)[heads.box_predictor.inference(predictions, proposals)[1][0]]
    torch.testing.assert_close(detections.pred_embeddings, expected)


def test_a_fixed_embedding_is_the_detectors_own_feature(backbone, make_image):
    model = build(backbone, FIXED).eval()
    image, seen = make_image([]), []
    image["gallery_boxes"] = torch.tensor([LEFT, RIGHT], dtype=torch.float32)
    model.roi_heads.box_predictor.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    with torch.no_grad():
        (output,) = model([image])
        features = model.backbone(model.preprocess_image([image]).tensor)
        boxes = [x.pred_boxes for x in (output["instances"],)]
        model.roi_heads.box_predictor(model.roi_heads.region_features(model.roi_heads.pool_regions(features, boxes)))
    torch.testing.assert_close(output["instances"].pred_embeddings, normalize(seen[0].flatten(1)))


@pytest.mark.parametrize(
    ("backbone", "heads"),
    [
        ("vgg16", "StandardROIHeads"),
        ("r50 c4", "Res5ROIHeads"),
        ("r50 fpn", "StandardROIHeads"),
        ("swin fpn", "StandardROIHeads"),
    ],
)
def test_the_plain_detector_is_detectron2s(backbone, heads, make_image):
    model = build(backbone, FIXED)
    plain = build(backbone, [*FIXED, "MODEL.META_ARCHITECTURE", "GeneralizedRCNN", "MODEL.ROI_HEADS.NAME", heads])
    assert list(model.state_dict()) == list(plain.state_dict())
    # ... and learns the same: single images, in any number.
    batch = [make_image([(LEFT, 2)]), make_image([], seed=1), make_image([(RIGHT, -1)], seed=2)]
    losses, expected = step(model, batch), step(plain, batch)
    assert set(losses) == set(expected) == DETECTION
    for name in DETECTION:
        torch.testing.assert_close(losses[name], expected[name])


def test_oim_trains_on_any_number_of_images(make_image):
    model = build("vgg16", [*OIM, "DATALOADER.TRAIN_LOADER", "build_image_train_loader"])
    losses = step(model, [make_image([(LEFT, 2)], seed=s) for s in range(3)])
    assert set(losses) == DETECTION | {"loss_oim"}
    assert model.roi_heads.identity_losses.terms["oim"].lookup_table[2].any()


def test_c4_embeds_the_average_of_the_fifth_stage(make_image):
    model = build("r50 c4").eval()
    heads = model.roi_heads
    assert heads.reid_head.embedding.in_features == 16 * 8
    pooled = torch.randn(3, 64, 4, 4)
    with torch.no_grad():
        torch.testing.assert_close(heads.region_features(pooled), heads.res5(pooled).flatten(2).mean(dim=2))


def test_crops_train_on_the_fifth_stage_too(make_image):
    options = ["MODEL.META_ARCHITECTURE", "CropReID", "MODEL.PROPOSAL_GENERATOR.NAME", "PrecomputedProposals"]
    model = build("r50 c4", options)
    losses = step(model, [make_image([(LEFT, pid)], seed=i) for i, pid in enumerate((0, 0, 3))])
    sum(losses.values()).backward()
    assert [n for n, p in model.named_parameters() if p.requires_grad and p.grad is None] == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (FIXED[:4], 'EMBEDDING is "learned", but every identity loss is off'),
        (["MODEL.ROI_REID_HEAD.EMBEDDING", "box_head"], 'EMBEDDING is "box_head", which no identity loss trains'),
        (["MODEL.ROI_REID_HEAD.EMBEDDING", "pooled"], 'expected "learned" or "box_head", found "pooled"'),
    ],
)
def test_contradicting_keys_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        build_model(narrow_cfg("vgg16", options))


@pytest.mark.parametrize("key", ["MASK_ON", "KEYPOINT_ON", "ROI_BOX_HEAD.TRAIN_ON_PRED_BOXES"])
@pytest.mark.parametrize("heads", ["INetROIHeads", "INetRes5ROIHeads"])
def test_parts_of_detectron2_that_would_be_ignored_are_refused(heads, key):
    cfg = narrow_cfg("vgg16", [f"MODEL.{key}", True, "MODEL.ROI_HEADS.NAME", heads])
    # Not build_model, which the embedded engine refuses in its own words.
    with pytest.raises(ValueError, match=rf"MODEL\.{key}: expected False, found True; {heads} has no part"):
        build_roi_heads(cfg, {"conv5_3": ShapeSpec(channels=64, stride=16)})


def test_own_layers_need_a_box_head():
    build("r50 c4")  # or skip
    with pytest.raises(ValueError, match=r"SEPARATE_FC: INetRes5ROIHeads has no box head"):
        build_model(narrow_cfg("r50 c4", ["MODEL.ROI_REID_HEAD.SEPARATE_FC", True]))


def test_a_first_stage_without_a_classifier_is_refused():
    options = ["MODEL.META_ARCHITECTURE", "CropReID", "MODEL.PROPOSAL_GENERATOR.NAME", "PrecomputedProposals"]
    with pytest.raises(ValueError, match=r"set the ENABLED key of MODEL\.ROI_REID_HEAD\.HEP, SOFTMAX"):
        build_model(narrow_cfg("vgg16", [*OIM, *options]))


def test_regions_of_the_papers_pooling_in_bfloat16():
    # On the CPU torchvision has no RoI pooling of bfloat16 maps and float32 boxes: it stopped there.
    heads = build("vgg16").roi_heads
    (name,) = heads.box_in_features
    channels = heads.box_head.fc1.in_features // 49
    feature_map = torch.randn(1, channels, 8, 10).bfloat16()
    boxes = [Boxes(torch.tensor([LEFT, RIGHT], dtype=torch.float32))]
    with torch.autocast("cpu", torch.bfloat16):
        pooled = heads.pool_regions({name: feature_map}, boxes)
    assert torch.equal(pooled, heads.pool_regions({name: feature_map.float()}, boxes))
