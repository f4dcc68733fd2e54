import detectron2
import numpy as np
import pytest
import torch
from detectron2.data.detection_utils import convert_image_to_rgb
from detectron2.modeling import GeneralizedRCNN, ROIHeads
from detectron2.modeling.anchor_generator import DefaultAnchorGenerator
from detectron2.modeling.box_regression import Box2BoxTransform
from detectron2.modeling.matcher import Matcher
from detectron2.modeling.poolers import ROIPooler, assign_boxes_to_levels
from detectron2.modeling.proposal_generator.proposal_utils import find_top_rpn_proposals
from detectron2.modeling.roi_heads.fast_rcnn import FastRCNNOutputLayers
from detectron2.modeling.sampling import subsample_labels
from detectron2.structures import Boxes, Instances
from detectron2.utils.events import EventStorage


def near(found, expected, tol=1e-4):
    torch.testing.assert_close(found, torch.tensor(expected, dtype=found.dtype), atol=tol, rtol=tol)


def test_anchors_golden():  # G1
    sizes, ratios = [[32, 64, 128, 256, 512]], [[0.5, 1, 2]]
    generator = DefaultAnchorGenerator(sizes=sizes, aspect_ratios=ratios, strides=[16], offset=0.0)
    boxes = generator([torch.zeros(1, 1, 2, 3)])[0].tensor
    assert boxes.shape == (90, 4)
    assert (generator.num_anchors, len(generator.state_dict())) == ([15], 0)
    near(boxes[0], (-22.627417, -11.313708, 22.627417, 11.313708))
    near(boxes[15], (-6.627417, -11.313708, 38.627419, 11.313708))
    near(boxes[89], (-149.019333, -346.038666, 213.019333, 378.038666))
    near(torch.stack((boxes.sum(), boxes.abs().sum())), (4320.00005, 37424.7858))
    generator = DefaultAnchorGenerator(sizes=[[32]], aspect_ratios=ratios, strides=[16], offset=0.5)
    near(generator([torch.zeros(1, 1, 1, 2)])[0].tensor[0], (-14.627417, -3.313708, 30.627417, 19.313709))


def test_box_transform_golden():  # G2; dh = 30 / 5 is clamped at log(1000 / 16)
    transform = Box2BoxTransform((10, 10, 5, 5))
    source = torch.tensor([[0.0, 0, 10, 20]])
    near(transform.get_deltas(source, torch.tensor([[2.0, 4, 14, 20]])), [(3, 1, 0.911608, -1.115718)])
    moved = transform.apply_deltas(torch.tensor([[1, -1, 0.5, 30]]), source)
    near(moved, [(0.474145, -617.000061, 11.525855, 633.000061)])
    with pytest.raises(AssertionError, match="wider than 0"):
        transform.get_deltas(torch.tensor([[5.0, 0, 5, 9]]), source)


def test_matcher_golden():  # G3
    matcher = Matcher([0.3, 0.7], [0, -1, 1], allow_low_quality_matches=True)
    idx, labels = matcher(torch.tensor([[0.1, 0.3, 0.7, 0, 0.2], [0.25, 0.1, 0.1, 0.25, 0]]))
    assert (idx.tolist(), labels.tolist()) == ([1, 0, 0, 1, 0], [1, -1, 1, 1, 0])
    assert [x.tolist() for x in matcher(torch.zeros(0, 3))] == [[0, 0, 0]] * 2
    assert Matcher([0.5], [0, 1])(torch.tensor([[0.5, 0.4999, 0.9]]))[1].tolist() == [1, 0, 1]


def test_subsample_golden():  # G4
    torch.manual_seed(0)
    labels = torch.tensor([1, 0, 0, 1, -1, 1, 0, 0, 0, 1, 0, 0])
    assert [x.tolist() for x in subsample_labels(labels, 6, 0.5, 0)] == [[0, 3, 9], [6, 1, 11]]
    assert [x.tolist() for x in subsample_labels(labels, 6, 0.25, 0)] == [[9], [2, 8, 10, 7, 1]]


def test_pooler_golden():  # G6
    maps, rois = torch.arange(64.0).view(1, 1, 8, 8), Boxes([[0, 0, 64, 64], [16, 32, 80, 100]])
    expected = {
        "ROIAlignV2": [(4.5, 6.5, 20.5, 22.5), (22, 24, 39.000004, 41.000004)],
        "ROIAlign": [(9, 11, 25, 27), (26.5, 28.500002, 43.5, 45.5)],
        "ROIPool": [(18, 20, 34, 36), (35, 37, 51, 53)],
    }
    for kind, values in expected.items():
        near(ROIPooler(2, [1 / 16], 0, kind)([maps], [rois]).flatten(1), values)
    sides = torch.tensor([0, 20, 111.9, 112, 223, 224, 448, 900, 1e4])
    boxes = Boxes(torch.stack((sides * 0, sides * 0, sides, sides), 1))
    assert assign_boxes_to_levels([boxes], 2, 5, 224, 4).tolist() == [0, 0, 0, 1, 1, 2, 3, 3, 3]
    # two maps: a box of 448 px is pooled from the coarse one (all 2), the small box of image 1 from the fine one
    levels, lists = [torch.ones(2, 1, 64, 64), torch.ones(2, 1, 32, 32) * 2], [boxes[-3], Boxes([[0, 0, 50, 50]])]
    out = ROIPooler(7, [1 / 16, 1 / 32], 0, "ROIAlignV2")(levels, lists)
    assert out[:, 0, 3, 3].tolist() == [2.0, 1.0]


def test_roi_sampling_golden():  # G11
    sampling = {"batch_size_per_image": 16, "positive_fraction": 0.25, "proposal_matcher": Matcher([0.5], [0, 1])}
    heads = ROIHeads(num_classes=1, **sampling)
    boxes = Boxes([[0, 0, 30, 30], [40, 40, 60, 60], [1, 1, 29, 31]])
    proposals = Instances((64, 64), proposal_boxes=boxes, objectness_logits=torch.zeros(3))
    none = Instances((64, 64), gt_boxes=Boxes([]), gt_classes=torch.zeros(0).long(), gt_pids=torch.zeros(0).long())
    gt = Instances((64, 64), gt_boxes=Boxes([[0, 0, 30, 30], [2, 2, 5, 5]]), gt_classes=torch.zeros(2).long())
    gt.gt_pids = torch.tensor([100, 101])
    torch.manual_seed(0)
    with EventStorage() as storage:
        out, empty = heads.label_and_sample_proposals([proposals, proposals], [gt, none])
    assert out.gt_classes.tolist() == [0, 0, 0, 0, 1]
    near(out.objectness_logits, (0, 0, 23.0259, 23.0259, 0))
    assert out.gt_pids.tolist() == [100, 100, 101, 100, 100]
    assert empty.gt_classes.tolist() == [1, 1, 1]
    assert not empty.has("gt_pids")
    assert storage.latest()["roi_head/num_bg_samples"][0] == 2.0


def test_predictor_golden():  # G12
    coding = Box2BoxTransform((10, 10, 5, 5))
    predictor = FastRCNNOutputLayers(4, box2box_transform=coding, num_classes=1, test_score_thresh=0.05)
    scores = torch.tensor([[1, 0], [0, 2], [0.5, -0.5]])
    deltas = torch.tensor([[0.1, 0.2, -0.1, 0.3], [9, 9, 9, 9], [0, 0.5, 0, -1]])
    proposals = Instances((50, 60), proposal_boxes=Boxes([[0, 0, 20, 20], [5, 5, 25, 25], [30, 10, 50, 40]]))
    proposals.gt_classes = torch.tensor([0, 1, 0])
    proposals.gt_boxes = Boxes([[1, 1, 22, 20], [0, 0, 1, 1], [30, 12, 52, 40]])
    with EventStorage():
        losses = predictor.losses((scores, deltas), [proposals])
    near(torch.stack((losses["loss_cls"], losses["loss_box_reg"])), (0.2511505, 1.1328902))
    (found,), (kept,) = predictor.inference((scores, deltas), [proposals])
    near(found.pred_boxes.tensor, [(0.3980, 0, 20.0020, 21.0184), (30, 14.2190, 50, 38.7810), (0, 0, 60, 50)])
    near(torch.cat((found.scores, kept)), (0.7311, 0.7311, 0.1192, 0, 2, 1))


def test_proposal_selection_golden():  # G13
    boxes = torch.tensor([[[0, 0, 10, 10], [1, 1, 11, 11], [30, 30, 80, 80], [5, 5, 5, 9], [0, 0, 9, 10.0]]])

    def select(logits, pre, post, training=False):
        options = ([(50, 60)], 0.7, pre, post, 0, training)
        return find_top_rpn_proposals([boxes], [torch.tensor([logits])], *options)[0]

    out = select([1, 3, 2, 9, 0.5], 5, 3)
    assert out.objectness_logits.tolist() == [3, 2, 1]
    assert out.proposal_boxes.tensor[1].tolist() == [30, 30, 60, 50]
    assert select([1, 3, 2, 9, 0.5], 2, 3).objectness_logits.tolist() == [3]
    assert select([float("nan"), 3, 2, 9, 0.5], 5, 3).objectness_logits.tolist() == [3, 2, 0.5]
    with pytest.raises(FloatingPointError):
        select([float("nan"), 3, 2, 9, 0.5], 5, 3, training=True)


@pytest.mark.skipif(not hasattr(detectron2, "__d2lite__"), reason="another engine draws in another way")
def test_pictures_of_training():
    image = torch.zeros(3, 40, 60, dtype=torch.uint8)
    image[0] = 200  # blue, of BGR
    truth = Instances((40, 60), gt_boxes=Boxes([[10.0, 10, 20, 30]]))
    found = Instances((40, 60), proposal_boxes=Boxes(torch.tensor([[30.0, 10, 50, 30]] * 20 + [[2, 2, 8, 38]])))
    given = dict.fromkeys(("backbone", "proposal_generator", "roi_heads"), torch.nn.Identity())
    model = GeneralizedRCNN(**given, pixel_mean=[0], pixel_std=[1], input_format="BGR", vis_period=2)
    shown = []
    with EventStorage() as storage:
        storage.put_image = lambda name, picture: shown.append(picture)
        model.visualize_training([{"image": image, "instances": truth}] * 2, [found] * 2)
    (picture,) = shown  # of the first image alone
    assert (picture.shape, picture.dtype) == ((3, 40, 120), np.uint8)
    colours = [tuple(picture[:, 20, x]) for x in (0, 10, 60 + 10, 60 + 30, 60 + 2)]  # the 21st proposal is not drawn
    assert colours[0] == colours[2] == colours[4] == (0, 0, 200) != colours[1] == colours[3]


def test_channels_to_rgb():
    image = np.arange(6, dtype=np.uint8).reshape(1, 2, 3)
    assert convert_image_to_rgb(torch.from_numpy(image), "RGB").tolist() == image.tolist()
    assert convert_image_to_rgb(image, "BGR").tolist() == [[[2, 1, 0], [5, 4, 3]]]
    assert convert_image_to_rgb(image[..., :1], "L").tolist() == [[[0, 0, 0], [3, 3, 3]]]
