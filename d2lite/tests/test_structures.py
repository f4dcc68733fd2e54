import detectron2
import numpy as np
import pytest
import torch
from detectron2.structures import Boxes, BoxMode, ImageList, Instances, pairwise_ioa, pairwise_iou

LITE = pytest.mark.skipif(not hasattr(detectron2, "__d2lite__"), reason="about the embedded engine only")


def make(n=2, **fields):
    return Instances((30, 40), pred_boxes=Boxes(torch.arange(4.0 * n).view(n, 4)), **fields)


def test_box_mode_keeps_the_type_of_its_input():
    corners, sides = BoxMode.XYXY_ABS, BoxMode.XYWH_ABS
    assert BoxMode.convert([1.0, 2.0, 3.0, 4.0], sides, corners) == [1.0, 2.0, 4.0, 6.0]
    assert BoxMode.convert((1, 2, 4, 6), corners, sides) == (1, 2, 3, 4)
    array = np.array([[1, 2, 3, 4]])
    out = BoxMode.convert(array, sides, corners)
    assert (out.dtype, out.tolist(), array.tolist()) == (array.dtype, [[1, 2, 4, 6]], [[1, 2, 3, 4]])
    assert BoxMode.convert(array, corners, corners) is array
    with pytest.raises(NotImplementedError):
        BoxMode.convert([0.0, 0.0, 1.0, 1.0], BoxMode.XYWHA_ABS, sides)


def test_boxes_clip_rebinds_and_scale_writes_into_the_storage():
    data = torch.tensor([[-5.0, 2.0, 50.0, 8.0], [1.0, 1.0, 1.0, 9.0]])
    boxes = Boxes(data)
    boxes.scale(2.0, 0.5)
    assert data.tolist() == [[-10.0, 1.0, 100.0, 4.0], [2.0, 0.5, 2.0, 4.5]]
    boxes.clip((4, 60))
    assert boxes.tensor.tolist() == [[0.0, 1.0, 60.0, 4.0], [2.0, 0.5, 2.0, 4.0]]
    assert data[0, 0] == -10.0
    assert [x.tolist() for x in (boxes.nonempty(), boxes.area())] == [[True, False], [180.0, 0.0]]
    assert [boxes.inside_box((4, 60), edge).tolist() for edge in (0, 1)] == [[False, False], [True, True]]
    with pytest.raises(AssertionError, match="infinite"):
        Boxes([[0.0, 0.0, float("nan"), 1.0]]).clip((5, 5))


def test_boxes_indexing_and_cat():
    boxes = Boxes(np.arange(8).reshape(2, 4))
    assert boxes[1].tensor.tolist() == [[4.0, 5.0, 6.0, 7.0]]
    assert len(boxes[torch.tensor([True, False])]) == 1
    assert Boxes([]).tensor.shape == Boxes.cat([]).tensor.shape == (0, 4)
    assert len(Boxes.cat([boxes, Boxes([]), boxes])) == 4
    with pytest.raises(AssertionError):
        Boxes(torch.zeros(2, 5))


def test_iou_golden():  # G5: 25 / (100 + 100 - 25) = 1/7; boxes without area give 0, not NaN
    a = Boxes([[0, 0, 10, 10], [5, 5, 5, 5]])
    b = Boxes([[0, 0, 10, 10], [5, 5, 15, 15], [5, 5, 5, 5]])
    torch.testing.assert_close(pairwise_iou(a, b), torch.tensor([[1, 1 / 7, 0], [0, 0, 0]]))
    assert pairwise_ioa(a, b).tolist() == [[1.0, 0.25, 0.0], [0.0, 0.0, 0.0]]


def test_instances_fields():
    inst = make(scores=torch.tensor([0.1, 0.2]), names=["a", "b"])
    inst._note = "private"
    assert set(inst.get_fields()) == {"pred_boxes", "scores", "names"}
    assert inst.has("scores")
    with pytest.raises(AssertionError, match="length 3"):
        inst.gt_pids = torch.zeros(3)
    with pytest.raises(AttributeError, match="gt_pids"):
        _ = inst.gt_pids
    inst.remove("names")
    assert inst[1].scores.tolist() == inst[-1].scores.tolist() == pytest.approx([0.2])
    assert len(inst[inst.scores > 0.15]) == 1
    assert inst.to("cpu").image_size == (30, 40)
    with pytest.raises(IndexError):
        inst[2]
    with pytest.raises(NotImplementedError):
        len(Instances((1, 1)))
    with pytest.raises(NotImplementedError):
        iter(inst)


def test_instances_cat_has_the_fields_of_the_first():
    one, two = make(1, names=["a"]), make(2, names=["b", "c"], scores=torch.zeros(2))
    out = Instances.cat([one, two])
    assert (set(out.get_fields()), out.names) == ({"pred_boxes", "names"}, ["a", "b", "c"])
    assert out.pred_boxes.tensor.shape == (3, 4)
    assert Instances.cat([one]) is one


@pytest.mark.parametrize(("div", "shape"), [(0, (40, 50)), (16, (48, 64)), (32, (64, 64))])
def test_image_list_pads_right_and_bottom(div, shape):
    images = ImageList.from_tensors([torch.ones(3, 33, 50), torch.ones(3, 40, 30)], div, pad_value=7.0)
    assert (images.tensor.shape, images.image_sizes) == ((2, 3, *shape), [(33, 50), (40, 30)])
    assert images[1].shape == (3, 40, 30)
    assert images.tensor[1, 0, 0, 30:].unique().tolist() == [7.0]


@LITE
def test_what_is_missing_names_detectron2():
    with pytest.raises(NotImplementedError, match="full Detectron2"):
        _ = detectron2.structures.BitMasks
