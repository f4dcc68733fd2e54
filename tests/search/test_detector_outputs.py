"""Outputs of detectors, hand-worked for each form."""

import numpy as np
import pytest

from inet_d2.search.detector_outputs import read_detections
from inet_d2.search.onnx_contract import DetectorContract, EmbedderContract, InputContract, read_contract


def contract(**values):
    return DetectorContract(**{"width": 100, "height": 200, **values})


def test_named_boxes():
    outputs = {
        "b": np.array([[[0, 0, 10, 20], [1, 0, 11, 20], [50, 50, 60, 90], [5, 5, 9, 9]]], np.float32),
        "s": np.array([[0.8, 0.9, 0.7, 0.95]], np.float32),
        "l": np.array([[1, 1, 1, 0]]),
    }
    boxes, scores = read_detections(outputs, contract(boxes="b", scores="s", labels="l", person_class=1), 0.5)
    # the first two overlap by 180 / 220 = 0.82 and the better one stays; the last is no person
    assert boxes.tolist() == [[1, 0, 11, 20], [50, 50, 60, 90]]
    np.testing.assert_allclose(scores, [0.9, 0.7])
    alone = read_detections(outputs, contract(boxes="b", scores="s", nms_iou=1.0), 0.75)
    np.testing.assert_allclose(alone[1], [0.95, 0.9, 0.8])


@pytest.mark.parametrize("turned", [False, True])
def test_yolov8(turned):
    output = np.zeros((1, 40, 6), np.float32)  # 40 anchors of centre, sides, 2 classes
    output[0, 3] = [50, 100, 20, 60, 0.2, 0.9]
    output[0, 7] = [20, 30, 10, 10, 0.8, 0.1]
    output = output.transpose(0, 2, 1) if turned else output
    boxes, scores = read_detections({"o": output}, contract(output="yolov8", person_class=1), 0.15)
    assert boxes.tolist() == [[40, 70, 60, 130]]  # the other's best class is not the person
    np.testing.assert_allclose(scores, [0.9])


def test_yolov5():
    output = np.zeros((1, 40, 7), np.float32)
    output[0, 3] = [50, 100, 20, 60, 0.5, 0.9, 0.2]
    boxes, scores = read_detections({"o": output}, contract(output="yolov5"), 0.4)
    assert boxes.tolist() == [[40, 70, 60, 130]]
    np.testing.assert_allclose(scores, [0.45])


def test_fastestdet():
    output = np.full((1, 7, 4, 5), -9.0, np.float32)  # 4 x 5 cells of 20 x 50 pixels
    output[0, 0], output[0, 5:] = 0, 0
    output[0, :, 2, 3] = [0.9, 0.5, -0.5, 0.0, np.log(3), 0.8, 0.1]
    boxes, scores = read_detections({"o": output}, contract(output="fastestdet"), 0.3)
    # centre (3 + tanh 0.5) * 20, (2 - tanh 0.5) * 50; sides 100 / 2 and 200 * 3 / 4
    x, y = (3 + np.tanh(0.5)) * 20, (2 - np.tanh(0.5)) * 50
    np.testing.assert_allclose(boxes, [[x - 25, y - 75, x + 25, y + 75]], rtol=1e-5)
    np.testing.assert_allclose(scores, [0.9**0.6 * 0.8**0.4], rtol=1e-5)


@pytest.mark.parametrize(
    ("outputs", "values", "message"),
    [
        ({"x": np.zeros((1, 4))}, {}, "expected an output boxes, found x"),
        ({"boxes": np.zeros((2, 4)), "scores": np.zeros(3)}, {}, "as many scores as boxes, found 3 and 2"),
        ({"x": np.zeros((1, 3, 40))}, {"output": "yolov8"}, r"expected an output \(1, anchors, 5 or more values\)"),
        ({"x": np.zeros((1, 3, 40))}, {"output": "fastestdet"}, r"expected an output \(1, 5 \+ classes, h, w\)"),
    ],
)
def test_other_forms_are_refused(outputs, values, message):
    with pytest.raises(ValueError, match=message):
        read_detections(outputs, contract(**values), 0.5)


def test_inputs_are_letterboxed_or_stretched():
    picture = np.zeros((50, 100, 3), np.uint8)
    picture[:, :, 0] = 200  # red
    boxed = InputContract(40, 40, fit="letterbox", order="BGR", mean=(10, 20, 30), std=(2, 2, 2), pad=114)
    values = boxed.make_input(picture)
    assert (values.shape, values.dtype) == ((1, 3, 40, 40), np.float32)
    np.testing.assert_allclose(values[0, :, 5, 5], [(0 - 10) / 2, (0 - 20) / 2, (200 - 30) / 2])
    np.testing.assert_allclose(values[0, :, 30, 5], [(114 - 10) / 2, (114 - 20) / 2, (114 - 30) / 2])
    assert boxed.scales(100, 50) == (0.4, 0.4)
    stretched = InputContract(40, 30)
    assert stretched.scales(100, 50) == (0.4, 0.6)
    np.testing.assert_allclose(stretched.make_input(picture)[0, 0], 200 / 255)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("width: 0\nheight: 3", r"m\.yaml: width: expected a whole number above 0, found 0"),
        ("width: 9\nheight: 9\nfit: crop", "fit: expected letterbox or stretch, found 'crop'"),
        ("width: 9\nheight: 9\nmean: 3", "mean: expected three numbers"),
        ("width: 9\nheight: 9\nstd: [1, 0, 1]", "std: expected three numbers other than 0"),
        ("width: 9\nheight: 9\noutput: ssd", "output: expected boxes or yolov8"),
        ("width: 9\nheight: 9\nnms_iou: 2", "nms_iou: expected a number in"),
        ("width: 9\nheight: 9\ntypo: 2", "typo: expected one of boxes, fit"),
        ("width: 9", "height"),
        ("- 1", "no mapping: expected one of"),
        ("width: [", r"m\.yaml: "),
    ],
)
def test_a_contract_is_checked(tmp_path, text, message):
    (tmp_path / "m.onnx").touch()
    (tmp_path / "m.yaml").write_text(text)
    with pytest.raises(ValueError, match=message):
        read_contract(tmp_path / "m.onnx", DetectorContract)


def test_a_missing_contract_is_a_sentence(tmp_path):
    (tmp_path / "m.onnx").touch()
    with pytest.raises(FileNotFoundError, match=r"m\.yaml: no such file; a model is two files"):
        read_contract(tmp_path / "m.onnx", EmbedderContract)
    (tmp_path / "m.yaml").touch()
    assert read_contract(tmp_path / "m.onnx", EmbedderContract).height == 256
