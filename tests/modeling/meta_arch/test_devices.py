"""Every tensor of the inputs follows the model to its device, whichever that is: here "meta", which needs no GPU.

Nothing on "meta" has values, so each way through the model is watched at a module on it.
"""

import pytest
import torch
from detectron2.modeling import build_model
from detectron2.structures import Boxes, Instances

from inet_d2.modeling.meta_arch import crop_reid, inet

BOXES = torch.tensor([(10, 10, 40, 80), (70, 20, 110, 90)], dtype=torch.float32)


class ReachedError(Exception):
    """Ends a forward pass at the point that a test looks at."""


def devices(value):
    """Device types of all tensors in nested inputs."""
    if isinstance(value, torch.Tensor):
        return {value.device.type}
    if isinstance(value, Boxes):
        return devices(value.tensor)
    if isinstance(value, Instances):
        return devices(value.get_fields())
    if isinstance(value, dict):
        value = list(value.values())
    return set().union(*map(devices, value)) if isinstance(value, list | tuple) else set()


@pytest.fixture(params=["INet", "CropReID"])
def model(tiny_cfg, request):
    tiny_cfg.MODEL.META_ARCHITECTURE = request.param
    if request.param == "CropReID":
        tiny_cfg.MODEL.PROPOSAL_GENERATOR.NAME = "PrecomputedProposals"
    return build_model(tiny_cfg).to("meta").eval()


@pytest.fixture
def pooled(model, tiny_cfg, monkeypatch):
    """What reaches the pooler: (feature maps, boxes of each image), one entry for each call."""
    calls, side = [], tiny_cfg.MODEL.ROI_BOX_HEAD.POOLER_RESOLUTION

    def pool(features, boxes):  # Detectron2's own needs the values of the boxes
        calls.append((features, boxes))
        return features[0].new_zeros(sum(map(len, boxes)), features[0].shape[1], side, side)

    monkeypatch.setattr(model.roi_heads.box_pooler, "forward", pool)
    return calls


def test_images_and_annotated_boxes(model, pooled, make_image):
    images = [{**make_image([], seed=s), "gallery_boxes": BOXES[: s + 1]} for s in (0, 1)]
    results = model.inference(images, do_postprocess=False)
    assert [len(boxes) for boxes in pooled[0][1]] == [1, 2]
    assert devices(pooled) == {"meta"}
    for result in results:
        assert set(result.get_fields()) == {"pred_boxes", "scores", "pred_classes", "pred_embeddings"}
        assert devices(result) == {"meta"}


def test_query_boxes(model, pooled, make_image, monkeypatch):
    # Clipping keeps the boxes that are not empty, which "meta" cannot know.
    monkeypatch.setattr(inet, "detector_postprocess", lambda result, height, width: result)
    images = [{**make_image([], seed=s), "gallery_boxes": BOXES} for s in (0, 1)]
    images[0]["query_boxes"] = BOXES
    outputs = model.inference(images)
    assert [len(boxes) for boxes in pooled[1][1]] == [2, 0]
    assert devices(pooled) == {"meta"}
    assert devices(outputs) == {"meta"}


def test_instances_given_as_in_detectron2(model, pooled, make_image):
    given = Instances((96, 128), pred_boxes=Boxes(BOXES), pred_classes=torch.zeros(2, dtype=torch.int64))
    results = model.inference([make_image([])], detected_instances=[given], do_postprocess=False)
    assert len(pooled[0][1][0]) == 2
    assert devices([pooled, results]) == {"meta"}


@pytest.mark.parametrize("model", ["INet"], indirect=True)
def test_ground_truth(model, make_image):
    def reach(module, inputs):
        images, features, instances = inputs
        assert all(set(x.get_fields()) == {"gt_boxes", "gt_classes", "gt_pids"} for x in instances)
        assert devices([images.tensor, features, instances]) == {"meta"}
        raise ReachedError

    model.proposal_generator.register_forward_pre_hook(reach)
    with pytest.raises(ReachedError):
        model.train()([make_image([(BOXES[0].tolist(), 2)], seed=s) for s in (0, 1)])


@pytest.mark.parametrize("model", ["CropReID"], indirect=True)
def test_ground_truth_of_crops(model, pooled, make_image, monkeypatch):
    def reach(*arguments, gradient):
        assert devices([pooled, arguments]) == {"meta"}
        raise ReachedError

    monkeypatch.setattr(crop_reid, "form_subgroups", reach)
    with pytest.raises(ReachedError):
        model.train()([make_image([(BOXES[0].tolist(), 2)], seed=s) for s in (0, 1)])
    assert [len(boxes) for boxes in pooled[0][1]] == [1, 1]
