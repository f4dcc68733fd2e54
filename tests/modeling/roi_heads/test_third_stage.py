"""A third stage comes in as a sub-class, with nothing changed in what is there: the shape of COAT (Yu et al. 2022)."""

import copy

import pytest
import torch
from detectron2.config import configurable
from detectron2.modeling.roi_heads import ROI_HEADS_REGISTRY
from detectron2.utils.events import EventStorage, get_event_storage
from torch.nn import functional as F

from inet_d2.modeling import SeqROIHeads
from inet_d2.modeling.identity.losses import IdentityLosses
from inet_d2.modeling.roi_heads.seq_roi_heads import refined_proposals

PEOPLE = [((10.0, 8.0, 40.0, 80.0), 1), ((60.0, 10.0, 90.0, 90.0), -1), ((70.0, 20.0, 110.0, 88.0), 4)]


@ROI_HEADS_REGISTRY.register()
class ThreeStageROIHeads(SeqROIHeads):
    """A third head on the second's boxes; each of the two has an embedding and a table of identities of its own."""

    @configurable
    def __init__(self, *, third_res5, third_head, third_predictor, third_losses, **kwargs):
        super().__init__(**kwargs)
        self.third_res5, self.third_head, self.third_predictor = third_res5, third_head, third_predictor
        # Below the heads' own, its state is state of identities to checkpoints as well.
        self.identity_losses.third = third_losses

    @classmethod
    def from_config(cls, cfg, input_shape):
        ret = super().from_config(cfg, input_shape)
        for third, second in (("res5", "reid_res5"), ("head", "reid_head"), ("predictor", "reid_predictor")):
            ret[f"third_{third}"] = copy.deepcopy(ret[second])
        return {**ret, "third_losses": IdentityLosses(cfg)}

    def forward(self, images, features, proposals, targets=None):
        if not self.training:
            return self._detect(features, proposals), {}
        refined, losses = self.train_first(features, proposals, targets)
        sampled, embeddings, predictions, second = self.train_later(
            "second", lambda x: self.predict_second(features, x), self.reid_predictor, refined, targets
        )
        losses.update(second, **self.compute_identity_losses(embeddings, sampled, targets))
        refined = refined_proposals(self.reid_predictor, predictions, sampled)
        sampled, embeddings, _, third = self.train_later(
            "third", lambda x: self.predict_third(features, x), self.third_predictor, refined, targets
        )
        with get_event_storage().name_scope("third"):
            identity = self.compute_identity_losses(
                embeddings, sampled, targets, identity_losses=self.identity_losses.third
            )
        losses.update(third, **{f"{name}_third": loss for name, loss in identity.items()})
        return sampled, losses

    def predict_third(self, features, regions):
        pooled = self.pool_regions(features, [x.proposal_boxes for x in regions])
        region_features = self.pool_points(self.third_res5(pooled))
        embeddings, logits = self.third_head.embed_and_score(pooled, region_features)
        return embeddings, self.third_predictor(region_features, logits)

    def embed_boxes(self, features, boxes):
        pooled = self.pool_regions(features, boxes)
        third = self.third_head(pooled, self.pool_points(self.third_res5(pooled)))
        return F.normalize(torch.cat([super().embed_boxes(features, boxes), third], dim=1))

    def _detect(self, features, proposals):
        found = self.detect_first(features, proposals)
        _, predictions = self.predict_second(features, found)
        refined = refined_proposals(self.reid_predictor, predictions, found)
        _, predictions = self.predict_third(features, refined)
        boxes = self.third_predictor.predict_boxes(predictions, refined)
        return self.keep_corrected(found, boxes, self.embed_boxes(features, [x.proposal_boxes for x in refined]))


@pytest.fixture
def model(strong_model):
    return strong_model("seqnet_r50", "MODEL.ROI_HEADS.NAME", "ThreeStageROIHeads")


def test_every_stage_has_its_losses_and_learns(model, make_image):
    torch.manual_seed(0)
    with EventStorage() as storage:
        losses = model.train()([make_image(PEOPLE, seed=1), make_image(PEOPLE[1:], seed=2)])
        assert {"second/roi_head/num_fg_samples", "third/roi_head/num_fg_samples"} <= storage.latest().keys()
    expected = ["loss_box_reg", "loss_cls", "loss_oim"]
    named = sorted(f"{name}{stage}" for name in expected[:2] for stage in ("", "_second", "_third"))
    assert sorted(x for x in losses if "rpn" not in x) == sorted([*named, "loss_oim", "loss_oim_third"])
    sum(losses.values()).backward()
    assert not [name for name, value in model.named_parameters() if value.requires_grad and value.grad is None]
    second, third = (x.terms["oim"].lookup_table for x in (heads(model), heads(model).third))
    # The two labelled people, 1 and 4, have rows in both tables, and these are not the same.
    for table in (second, third):
        assert table.any(dim=1).nonzero()[:, 0].tolist() == [1, 4]
    assert not torch.equal(second, third)


def test_a_third_stage_that_moves_nothing_finds_what_two_stages_find(model, strong_model, make_image):
    two = strong_model("seqnet_r50").eval()
    with torch.no_grad():
        two.roi_heads.box_predictor.cls_score.bias.copy_(torch.tensor([1.0, 0.0]))
        for value in (two.roi_heads.reid_predictor.box_norm.weight, two.roi_heads.reid_head.rescaler.running_mean):
            value.fill_(0.5)
    model.load_state_dict(two.state_dict(), strict=False)
    torch.nn.init.zeros_(model.roi_heads.third_predictor.box_norm.weight)
    image = {**make_image([], seed=1), "query_boxes": torch.tensor([[10.0, 8.0, 40.0, 80.0]])}
    with torch.no_grad():
        (expected,), (found,) = two([image]), model.eval()([image])
    assert len(expected["instances"]) > 3
    torch.testing.assert_close(found["instances"].pred_boxes.tensor, expected["instances"].pred_boxes.tensor)
    assert torch.equal(found["instances"].scores, expected["instances"].scores)
    assert found["instances"].pred_embeddings.shape == (len(expected["instances"]), 16)
    # Of two unit vectors side by side, each half has the length sqrt(1 / 2).
    torch.testing.assert_close(found["query_embeddings"][:, :8] * 2**0.5, expected["query_embeddings"])


def heads(model):
    return model.roi_heads.identity_losses
