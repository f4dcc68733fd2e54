import pytest
import torch
from detectron2.layers import ShapeSpec
from detectron2.modeling.box_regression import Box2BoxTransform
from detectron2.structures import Boxes, Instances
from detectron2.utils.events import EventStorage
from torch.nn import functional as F

from inet_d2.modeling.roi_heads.norm_scored_predictor import NormScoredOutputLayers


def predictor(num_classes=1):
    return NormScoredOutputLayers(
        ShapeSpec(channels=6),
        num_classes=num_classes,
        box2box_transform=Box2BoxTransform(weights=(10.0, 10.0, 5.0, 5.0)),
        test_score_thresh=0.5,
        test_nms_thresh=0.4,
        smooth_l1_beta=1.0,
    )


def regions():
    boxes = torch.tensor([[0.0, 0.0, 10.0, 20.0], [30.0, 0.0, 40.0, 20.0], [60.0, 0.0, 70.0, 20.0]])
    return Instances(
        (100, 100), proposal_boxes=Boxes(boxes), gt_boxes=Boxes(boxes + 1.0), gt_classes=torch.tensor([0, 1, 0])
    )


def test_its_class_loss_is_binary_cross_entropy():
    layers, logits = predictor(), torch.tensor([0.7, -1.2, 3.0])
    with EventStorage():
        losses = layers.losses(layers(torch.rand(3, 6), logits), [regions()])
    # Class 0 is the person, class 1 background.
    expected = F.binary_cross_entropy_with_logits(logits, torch.tensor([1.0, 0.0, 1.0]))
    torch.testing.assert_close(losses["loss_cls"], expected)


def test_its_probability_is_the_sigmoid():
    layers, logits = predictor().eval(), torch.tensor([0.7, -1.2, 3.0])
    probabilities = layers.predict_probs(layers(torch.rand(3, 6), logits), [regions()])[0]
    torch.testing.assert_close(probabilities[:, 0], logits.sigmoid())
    found, rows = layers.inference(layers(torch.rand(3, 6), logits), [regions()])
    # sigmoid(.7) = .668 and sigmoid(3) = .953 pass the threshold of .5, the best first.
    assert rows[0].tolist() == [2, 0]
    torch.testing.assert_close(found[0].scores, logits.sigmoid()[[2, 0]])


def test_deltas_pass_a_batch_norm():
    layers, x = predictor(), torch.rand(5, 6)
    with torch.no_grad():
        torch.nn.init.normal_(layers.box_norm.weight)
        _, deltas = layers(x[:, :, None, None], torch.zeros(5))
        raw = x @ layers.bbox_pred.weight.T + layers.bbox_pred.bias
        mean, variance = raw.mean(dim=0), raw.var(dim=0, unbiased=False)
        expected = (raw - mean) / (variance + 1e-5).sqrt() * layers.box_norm.weight
    torch.testing.assert_close(deltas, expected)


def test_it_has_no_classifier_and_one_class():
    assert not [name for name in predictor().state_dict() if "cls_score" in name]
    with pytest.raises(ValueError, match=r"NUM_CLASSES: expected 1, people, found 2"):
        predictor(num_classes=2)
