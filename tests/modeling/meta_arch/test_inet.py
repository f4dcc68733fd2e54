import pytest
import torch
from detectron2.modeling import build_model
from detectron2.structures import Boxes, Instances
from detectron2.utils.events import EventStorage

from places import config_path

LOSSES = {"loss_cls", "loss_box_reg", "loss_rpn_cls", "loss_rpn_loc", "loss_olp", "loss_hep"}
LEFT, RIGHT = (10, 10, 40, 80), (70, 20, 110, 90)


@pytest.fixture
def model(tiny_cfg):
    torch.manual_seed(0)
    return build_model(tiny_cfg)


def step(model, batch, seed=0):
    torch.manual_seed(seed)
    with EventStorage() as storage:
        losses = model(batch)
        return losses, {name: value for name, (value, _) in storage.latest().items()}


def test_one_step_trains_every_part(model, make_image):
    losses, scalars = step(model, [make_image([(LEFT, 2), (RIGHT, -1)]), make_image([(RIGHT, 2)], seed=1)])
    assert set(losses) == LOSSES
    sum(losses.values()).backward()
    without = [name for name, p in model.named_parameters() if p.requires_grad and p.grad is None]
    assert without == []
    assert scalars["reid/num_subgroups"] >= 2
    assert scalars["reid/dictionary_fill"] == len(model.roi_heads.identity_losses.dictionary)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ([(LEFT, 2)], [(RIGHT, 3)]),
        ([(LEFT, -1)], [(RIGHT, -1)]),
        ([], [(RIGHT, 3)]),
        ([], []),
    ],
)
def test_training_goes_on_without_a_shared_person(model, make_image, first, second):
    losses, _ = step(model, [make_image(first), make_image(second, seed=1)])
    assert set(losses) == LOSSES
    total = sum(losses.values())
    total.backward()
    assert torch.isfinite(total)
    assert losses["loss_olp"] == 0


def test_two_streams_share_their_weights(model, make_image):
    # Forwarding a pair in one batch is forwarding its images one by one.
    model.eval()
    images = [make_image([], seed=s) for s in (0, 1)]
    for x in images:
        x["gallery_boxes"] = torch.tensor([LEFT], dtype=torch.float32)
    together = model(images)
    for x, both in zip(images, together, strict=True):
        torch.testing.assert_close(model([x])[0]["instances"].pred_embeddings, both["instances"].pred_embeddings)


def test_an_odd_batch_is_refused(model, make_image):
    with pytest.raises(ValueError, match=r"pairs of images, but the batch has 1; use an even SOLVER\.IMS_PER_BATCH"):
        step(model, [make_image([(LEFT, 2)])])


def test_detections_come_with_unit_embeddings_at_the_original_size(model, make_image):
    model.eval()
    image = make_image([])
    image.update(height=192, width=256)
    (output,) = model([image])
    instances = output["instances"]
    assert instances.image_size == (192, 256)
    assert len(instances) > 0
    torch.testing.assert_close(instances.pred_embeddings.norm(dim=1), torch.ones(len(instances)))
    assert instances.pred_boxes.tensor[:, 2].max() <= 256
    assert "query_embeddings" not in output


@pytest.mark.parametrize("pool_final_box", [False, True])
def test_the_embedding_belongs_to_its_detection(tiny_cfg, make_image, pool_final_box):
    tiny_cfg.MODEL.ROI_REID_HEAD.POOL_FINAL_BOX = pool_final_box
    torch.manual_seed(0)
    model = build_model(tiny_cfg).eval()
    image = make_image([])
    with torch.no_grad():
        detections = model.inference([image], do_postprocess=False)[0]
        images = model.preprocess_image([image])
        features = model.backbone(images.tensor)
        proposals = model.proposal_generator(images, features, None)[0]
        boxes = [x.proposal_boxes for x in proposals]
        if pool_final_box:
            boxes = [detections.pred_boxes]
        candidates = model.roi_heads.embed_boxes(features, boxes)
    if pool_final_box:
        torch.testing.assert_close(detections.pred_embeddings, candidates)
    else:
        # Each detection's embedding is that of the proposal whose regression gives its box.
        with torch.no_grad():
            pooled = model.roi_heads.pool_regions(features, boxes)
            predictions = model.roi_heads.box_predictor(model.roi_heads.box_head(pooled))
            _, kept = model.roi_heads.box_predictor.inference(predictions, proposals)
        torch.testing.assert_close(detections.pred_embeddings, candidates[kept[0]])


def test_query_boxes_of_a_batch_reach_their_image(model, make_image):
    model.eval()
    images = [make_image([], seed=s) for s in range(3)]
    images[0]["query_boxes"] = torch.tensor([LEFT, RIGHT], dtype=torch.float32)
    images[2]["query_boxes"] = torch.tensor([RIGHT], dtype=torch.float32)
    outputs = model(images)
    assert [len(x.get("query_embeddings", ())) for x in outputs] == [2, 0, 1]
    alone = dict(images[2])
    torch.testing.assert_close(model([alone])[0]["query_embeddings"], outputs[2]["query_embeddings"])


def test_a_query_equals_the_gallery_embedding_of_the_same_box(model, make_image):
    model.eval()
    image = make_image([])
    image["query_boxes"] = image["gallery_boxes"] = torch.tensor([LEFT, RIGHT], dtype=torch.float32)
    (output,) = model([image])
    torch.testing.assert_close(output["instances"].pred_embeddings, output["query_embeddings"])
    assert output["instances"].pred_boxes.tensor.tolist() == [list(LEFT), list(RIGHT)]
    assert output["instances"].scores.tolist() == [1, 1]


def test_boxes_of_another_model_come_back_bit_for_bit(model, make_image):
    model.eval()
    image = make_image([])
    image.update(height=193, width=257)
    frame_boxes = torch.tensor([[0.1, 0.2, 300.7, 90.3], [50, 50, 50, 60]])  # beyond the frame, and without area
    image["gallery_boxes"] = torch.tensor([[0.05, 0.1, 128, 45], [25, 25, 25, 30]])
    image["gallery_frame_boxes"], image["gallery_scores"] = frame_boxes, torch.tensor([0.123, 0.9])
    nobody = make_image([])
    nobody.update(gallery_boxes=torch.zeros(0, 4), gallery_frame_boxes=torch.zeros(0, 4), gallery_scores=torch.zeros(0))
    outputs = [x["instances"] for x in model([image, nobody])]
    assert torch.equal(outputs[0].pred_boxes.tensor, frame_boxes)
    assert torch.equal(outputs[0].scores, torch.tensor([0.123, 0.9]))
    assert outputs[0].image_size == (193, 257)
    assert outputs[0].pred_embeddings.shape[0] == 2
    assert outputs[1].pred_embeddings.shape == (0, outputs[0].pred_embeddings.shape[1])


def test_given_instances_are_embedded_as_in_detectron2(model, make_image):
    model.eval()
    image = make_image([])
    given = Instances(
        (96, 128),
        pred_boxes=Boxes(torch.tensor([LEFT], dtype=torch.float32)),
        pred_classes=torch.zeros(1, dtype=torch.int64),
    )
    (output,) = model.inference([image], detected_instances=[given])
    image["gallery_boxes"] = torch.tensor([LEFT], dtype=torch.float32)
    torch.testing.assert_close(output["instances"].pred_embeddings, model([image])[0]["instances"].pred_embeddings)


def test_batch_norm_can_be_held(tiny_cfg, make_image):
    tiny_cfg.MODEL.VGG.NORM = "BN"
    tiny_cfg.MODEL.ROI_REID_HEAD.NORM = "BN"
    batch = [make_image([(LEFT, 2)]), make_image([(RIGHT, 2)], seed=1)]
    for hold in (False, True):
        tiny_cfg.MODEL.HOLD_BATCH_NORM = hold
        model = build_model(tiny_cfg).train()
        before = model.state_dict()["backbone.stack3.conv3_1.norm.running_mean"].clone()
        losses, _ = step(model, batch)
        sum(losses.values()).backward()
        after = model.state_dict()["backbone.stack3.conv3_1.norm.running_mean"]
        assert torch.equal(before, after) is hold
        assert model.roi_heads.reid_head.norm.training is not hold
        assert model.backbone.stack3.conv3_1.norm.weight.grad is not None


def test_batch_norms_without_statistics_stay_live(tiny_cfg, make_image):
    tiny_cfg.MODEL.VGG.NORM = "BN"
    tiny_cfg.MODEL.ROI_REID_HEAD.NORM = "BN"
    tiny_cfg.MODEL.HOLD_BATCH_NORM = True
    tiny_cfg.MODEL.LIVE_BATCH_NORM = ("roi_heads.reid_head",)
    model = build_model(tiny_cfg).train()
    step(model, [make_image([(LEFT, 2)]), make_image([(RIGHT, 2)], seed=1)])
    seen = {name: int(value) for name, value in model.state_dict().items() if name.endswith("num_batches_tracked")}
    live = {name for name in seen if name.startswith("roi_heads.reid_head")}
    assert live
    assert {name for name, count in seen.items() if count} == live
    model.train(False)
    assert not any(module.training for module in model.modules())


@pytest.mark.parametrize(
    ("live", "message"),
    [
        (("roi_heads.reid_haed",), 'beginnings of names of batch norms, found "roi_heads.reid_haed".*backbone.stack2'),
        (("",), 'beginnings of names of batch norms, found "";'),
        ((3,), 'beginnings of names of batch norms, found "3";'),
        # Its letters begin the names of all modules.
        ("rb", r'a list of names, found "rb"; write \("rb",\)'),
    ],
)
def test_names_of_live_batch_norms_that_do_not_fit(tiny_cfg, live, message):
    tiny_cfg.MODEL.VGG.NORM = "BN"
    tiny_cfg.MODEL.ROI_REID_HEAD.NORM = "BN"
    tiny_cfg.MODEL.HOLD_BATCH_NORM = True
    tiny_cfg.MODEL.LIVE_BATCH_NORM = live
    with pytest.raises(ValueError, match=f"MODEL.LIVE_BATCH_NORM: expected {message}"):
        build_model(tiny_cfg)


def test_batch_norms_that_come_later_are_held_too(tiny_cfg):
    tiny_cfg.MODEL.HOLD_BATCH_NORM = True
    model = build_model(tiny_cfg)
    # As a sub-class adds it, after INet's own __init__.
    model.added = torch.nn.BatchNorm1d(2)
    assert not model.train().added.training


def test_own_layers_for_the_embedding(tiny_cfg, make_image):
    tiny_cfg.MODEL.ROI_REID_HEAD.SEPARATE_FC = True
    model = build_model(tiny_cfg)
    names = set(model.state_dict())
    assert {"roi_heads.box_head.fc1.weight", "roi_heads.reid_head.fc.fc1.weight"} <= names
    losses, _ = step(model, [make_image([(LEFT, 2)]), make_image([(RIGHT, 2)], seed=1)])
    losses["loss_olp"].backward()
    assert model.roi_heads.box_head.fc1.weight.grad is None
    assert model.roi_heads.reid_head.fc.fc1.weight.grad is not None


def test_weights_with_shared_layers_serve_a_model_with_own_layers(model, tiny_cfg, make_image):
    tiny_cfg.MODEL.ROI_REID_HEAD.SEPARATE_FC = True
    separate = build_model(tiny_cfg).eval()
    found = separate.load_state_dict(model.state_dict())
    assert (found.missing_keys, found.unexpected_keys) == ([], [])
    image = make_image([])
    image["gallery_boxes"] = torch.tensor([LEFT], dtype=torch.float32)
    before, after = (m([image])[0]["instances"].pred_embeddings for m in (model.eval(), separate))
    assert torch.equal(before, after)
    # Two copies, which part when they learn; and own layers of a checkpoint are never replaced.
    heads = separate.roi_heads
    heads.reid_head.fc.fc1.weight.data.zero_()
    assert heads.box_head.fc1.weight.any()
    separate.load_state_dict(separate.state_dict())
    assert not heads.reid_head.fc.fc1.weight.any()


def test_loss_weights_and_switches(tiny_cfg, make_image):
    batch = [make_image([(LEFT, 2)]), make_image([(RIGHT, 2)], seed=1)]
    torch.manual_seed(0)
    plain, _ = step(build_model(tiny_cfg), batch)
    tiny_cfg.MODEL.ROI_REID_HEAD.OLP.LOSS_WEIGHT = 0.25
    tiny_cfg.MODEL.ROI_REID_HEAD.HEP.ENABLED = False
    tiny_cfg.MODEL.ROI_REID_HEAD.SOFTMAX.ENABLED = True
    torch.manual_seed(0)
    changed, _ = step(build_model(tiny_cfg), batch)
    torch.testing.assert_close(changed["loss_olp"], 0.25 * plain["loss_olp"])
    assert set(changed) == (LOSSES - {"loss_hep"}) | {"loss_softmax"}


def test_iou_thresholds_that_overlap_are_refused(tiny_cfg):
    tiny_cfg.MODEL.ROI_REID_HEAD.BACKGROUND_IOU = 0.6
    with pytest.raises(ValueError, match=r"BACKGROUND_IOU must not exceed PERSON_IOU, found 0\.6 and 0\.5"):
        build_model(tiny_cfg)


def test_the_papers_configuration_trains_one_step_on_cpu(make_image):
    from inet_d2.engine import load_config

    cfg = load_config(config_path("CUHK-SYSU/inet_vgg16.yaml"), ["MODEL.DEVICE", "cpu"])
    model = build_model(cfg)
    reid = cfg.MODEL.ROI_REID_HEAD
    assert (reid.EMBED_DIM, reid.NUM_PIDS, reid.DICTIONARY.SIZE, reid.DICTIONARY.BACKGROUNDS_PER_IMAGE) == (
        256,
        5532,
        5120,
        5,
    )
    assert (reid.HEP.NUM_CLASSES, reid.HEP.TOP_NEGATIVES, reid.OLP.SCALE) == (100, 20, 1.0)
    assert cfg.MODEL.ROI_HEADS.BATCH_SIZE_PER_IMAGE == 128
    boxes = [(100, 100, 200, 400), (500, 150, 620, 500)]
    batch = [make_image([(boxes[0], 7), (boxes[1], -1)], size=(600, 800)), make_image([(boxes[1], 7)], 1, (600, 800))]
    losses, _ = step(model, batch)
    sum(losses.values()).backward()
    assert set(losses) == LOSSES
    assert torch.isfinite(sum(losses.values()))


def test_a_banner_of_a_few_rows_has_a_feature_map(tiny_cfg, make_image):
    model = build_model(tiny_cfg).eval()
    banner = make_image([], size=(3, 200))
    batch = model.preprocess_image([banner])
    # VGG16's last map has a stride of 16 pixels.
    assert batch.tensor.shape == (1, 3, 16, 200)
    assert batch.image_sizes == [(3, 200)]
    assert batch.tensor[0, :, 3:].abs().max() == 0
    with torch.no_grad():
        (output,) = model([banner])
    boxes = output["instances"].pred_boxes.tensor
    assert (boxes[:, 3] <= 3).all()
