"""What NAE's and SeqNet's heads share: both against a slow twin, their training, their options."""

import importlib.util
from pathlib import Path

import pytest
import torch
from detectron2.structures import Boxes
from detectron2.utils.events import EventStorage

SPEC = importlib.util.spec_from_file_location("plain_twins", Path(__file__).with_name("plain_twins.py"))
twins = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(twins)

HEADS = {"nae_r50": twins.nae, "seqnet_r50": twins.seqnet}
PEOPLE = [((10.0, 8.0, 40.0, 80.0), 1), ((60.0, 10.0, 90.0, 90.0), -1), ((70.0, 20.0, 110.0, 88.0), 4)]


def shake(model, seed=0):
    """Weights that make scores on both sides of a half, boxes that move, and embeddings that differ."""
    generator = torch.Generator().manual_seed(seed)
    for name, value in model.state_dict().items():
        if name.endswith(("norm.weight", "rescaler.weight", "projector.1.weight")) or name.endswith("running_var"):
            value.copy_(torch.rand(value.shape, generator=generator) + 0.5)
        elif name.endswith("rescaler.running_mean"):
            value.fill_(3.0)
        elif "predictor" in name and name.endswith(("cls_score.weight", "bbox_pred.weight")):
            value.copy_(torch.randn(value.shape, generator=generator) * 0.05)
        elif "projector.0.weight" in name:
            value.copy_(torch.randn(value.shape, generator=generator) * 0.3)
    return model


@pytest.mark.parametrize("name", HEADS)
def test_detections_are_those_of_a_slow_twin(name, strong_model, make_image):
    model = shake(strong_model(name)).eval()
    images = [make_image([], seed=1), make_image([], seed=2, size=(120, 80))]
    with torch.no_grad():
        results = model.inference(images, do_postprocess=False)
        batch = model.preprocess_image(images)
        assert batch.tensor.shape[-2:] == (128, 128)  # multiples of 32
        feature = model.backbone(batch.tensor)
        proposals, _ = model.proposal_generator(batch, feature, None)
        found = [
            HEADS[name](model.roi_heads, feature["res4"][i : i + 1], p.proposal_boxes.tensor, p.image_size)
            for i, p in enumerate(proposals)
        ]
    assert sum(len(x) for x in found) > 3
    for result, expected in zip(results, found, strict=True):
        assert len(result) == len(expected)
        for row, (box, score, embedding) in enumerate(expected):
            torch.testing.assert_close(result.pred_boxes.tensor[row], box, rtol=1e-4, atol=1e-3)
            assert result.scores[row].item() == pytest.approx(score, abs=1e-5)
            torch.testing.assert_close(result.pred_embeddings[row], embedding, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", HEADS)
def test_a_query_is_embedded_as_a_detection_at_its_place(name, strong_model, make_image):
    model = shake(strong_model(name)).eval()
    image = make_image([], seed=1)
    image["query_boxes"] = torch.tensor([[10.0, 8.0, 40.0, 80.0]])
    with torch.no_grad():
        (output,) = model([image])
        feature = model.backbone(model.preprocess_image([image]).tensor)["res4"]
        last = model.roi_heads.res5 if name == "nae_r50" else model.roi_heads.reid_res5
        _, expected, _ = twins.describe(model.roi_heads, feature, image["query_boxes"][0], last)
    torch.testing.assert_close(output["query_embeddings"][0], expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", HEADS)
def test_an_image_without_anybody(name, strong_model, make_image):
    model = strong_model(name, "MODEL.ROI_HEADS.SCORE_THRESH_TEST", "1.0").eval()
    with torch.no_grad():
        outputs = model([make_image([], seed=1), make_image([], seed=2)])
    assert [len(x["instances"]) for x in outputs] == [0, 0]
    assert outputs[0]["instances"].pred_embeddings.shape == (0, 8)


@pytest.mark.parametrize(
    ("name", "losses"),
    [
        ("nae_r50", ["loss_box_reg", "loss_cls", "loss_oim"]),
        ("seqnet_r50", ["loss_box_reg", "loss_box_reg_second", "loss_cls", "loss_cls_second", "loss_oim"]),
        (
            "inet_seqnet_r50",
            ["loss_box_reg", "loss_box_reg_second", "loss_cls", "loss_cls_second", "loss_hep", "loss_olp"],
        ),
    ],
)
def test_a_training_step(name, losses, strong_model, make_image):
    torch.manual_seed(0)
    model = strong_model(name).train()
    images = [make_image(PEOPLE, seed=1), make_image(PEOPLE[1:], seed=2)]
    with EventStorage():
        found = model(images)
    assert sorted(x for x in found if "rpn" not in x) == losses
    assert all(torch.isfinite(x) and x.dim() == 0 for x in found.values())
    sum(found.values()).backward()
    learning = {name for name, value in model.named_parameters() if value.requires_grad}
    without = {name for name, value in model.named_parameters() if value.requires_grad and value.grad is None}
    assert len(learning) > 100
    assert not without
    if name != "inet_seqnet_r50":
        # Live batch norms, that of the stem too.
        assert model.backbone.stem.conv1.norm.num_batches_tracked == 1


def test_plain_heads_leave_nothing_without_a_gradient(strong_model, make_image):
    # Several processes would wait for it: the length that they do not score by must not count as learning.
    model = strong_model("nae_r50", "MODEL.ROI_HEADS.NAME", "INetRes5ROIHeads").train()
    with EventStorage():
        sum(model([make_image(PEOPLE, seed=1), make_image(PEOPLE[1:], seed=2)]).values()).backward()
    assert not [name for name, value in model.named_parameters() if value.requires_grad and value.grad is None]
    assert not model.roi_heads.reid_head.rescaler.weight.requires_grad


def test_the_second_head_trains_on_the_boxes_of_the_first(strong_model, make_image):
    torch.manual_seed(0)
    model = strong_model("seqnet_r50").train()
    heads, seen = model.roi_heads, []
    pool = heads.pool_regions

    def spy(features, boxes):
        seen.append([x.tensor.clone() for x in boxes])
        return pool(features, boxes)

    heads.pool_regions = spy
    with torch.no_grad():
        heads.box_predictor.bbox_pred.bias.copy_(torch.tensor([1.0, 0.0, 0.0, 0.0]))
        heads.box_predictor.bbox_pred.weight.zero_()
    with EventStorage() as storage:
        model([make_image(PEOPLE, seed=1)])
        assert "second/roi_head/num_fg_samples" in storage.latest()
    first, second = (x[0] for x in seen)
    # dx = 1 / 10: every box goes a tenth of its width to the right, as far as the image reaches.
    moved = first + 0.1 * (first[:, 2] - first[:, 0])[:, None] * torch.tensor([1.0, 0.0, 1.0, 0.0])
    moved = torch.minimum(moved, torch.tensor([128.0, 96.0, 128.0, 96.0]))
    allowed = torch.cat([moved, torch.tensor([box for box, _ in PEOPLE])])
    assert ((second[:, None] - allowed).abs().amax(dim=2).amin(dim=1) < 1e-3).all()
    assert not second.requires_grad


def test_people_whom_both_images_share_reach_both_samplings(strong_model, make_image):
    torch.manual_seed(0)
    model = strong_model("inet_seqnet_r50", "MODEL.ROI_HEADS.BATCH_SIZE_PER_IMAGE", "4").train()
    heads, seen = model.roi_heads, []
    compute = heads.compute_identity_losses

    def spy(embeddings, sampled, targets):
        seen.append([set(x.gt_pids[x.gt_classes == 0].tolist()) for x in sampled])
        return compute(embeddings, sampled, targets)

    heads.compute_identity_losses = spy
    with EventStorage():
        model([make_image(PEOPLE, seed=1), make_image(PEOPLE, seed=2)])
    assert all({1, 4} <= pids for pids in seen[0])


def test_a_copy_of_the_fifth_stage_learns_on_its_own(strong_model):
    heads = strong_model("seqnet_r50").roi_heads
    assert all(torch.equal(a, b) for a, b in zip(heads.res5.parameters(), heads.reid_res5.parameters(), strict=True))
    assert not {id(x) for x in heads.res5.parameters()} & {id(x) for x in heads.reid_res5.parameters()}


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("nae_r50", ["MODEL.ROI_REID_HEAD.NAME", "EmbeddingHead"], 'expected "NormAwareHead" for .*NAEROIHeads'),
        ("seqnet_r50", ["MODEL.ROI_REID_HEAD.NAME", "EmbeddingHead"], 'expected "NormAwareHead" for .*SeqROIHeads'),
        ("seqnet_r50", ["MODEL.ROI_REID_HEAD.POOL_FINAL_BOX", "True"], "POOL_FINAL_BOX is True, but SeqROIHeads"),
        ("seqnet_r50", ["MODEL.ROI_BOX_HEAD.POOLING", "sum"], 'POOLING: expected "mean" or "max", found "sum"'),
    ],
)
def test_options_that_do_not_fit_are_refused(name, options, message, strong_model):
    with pytest.raises(ValueError, match=message):
        strong_model(name, *options)


def test_given_boxes_pass_the_embedding_head_alone(strong_model, make_image):
    model = shake(strong_model("seqnet_r50")).eval()
    image = make_image([], seed=1)
    with torch.no_grad():
        features = model.backbone(model.preprocess_image([image]).tensor)
        boxes = [Boxes(torch.tensor([[10.0, 8.0, 40.0, 80.0], [60.0, 10.0, 90.0, 90.0]]))]
        together = model.roi_heads.embed_boxes(features, boxes)
        alone = model.roi_heads.embed_boxes(features, [boxes[0][1:]])
    torch.testing.assert_close(together[1:], alone, rtol=1e-5, atol=1e-5)


def test_padding_is_zero_and_to_the_multiple(strong_model, make_image):
    images = [make_image([], seed=1, size=(60, 100)), make_image([], seed=2, size=(40, 50))]
    batch = strong_model("nae_r50").preprocess_image(images)
    # The largest sides are 60 and 100; the next multiples of 32 are 64 and 128.
    assert batch.tensor.shape == (2, 3, 64, 128)
    assert batch.image_sizes == [(60, 100), (40, 50)]
    assert batch.tensor[0, :, 60:].abs().max() == batch.tensor[0, :, :, 100:].abs().max() == 0
    assert batch.tensor[0, :, :60, :100].abs().min(dim=0).values.max() > 0
    assert strong_model("nae_r50", "MODEL.PAD_TO", "0").preprocess_image(images).tensor.shape == (2, 3, 60, 100)
