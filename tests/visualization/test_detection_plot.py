import numpy as np

from inet_d2.visualization.detection_plot import draw_detection_curves


def test_a_line_for_each_detector_in_both_panels():
    x, y = np.array([0.1, 0.5]), np.array([1.0, 0.75])
    figure = draw_detection_curves({"a": (x, y), "b": (x, x)}, {"c": (y, x)})
    left, right = figure.axes
    assert [line.get_xydata().tolist() for line in left.lines] == [[[0.1, 1], [0.5, 0.75]], [[0.1, 0.1], [0.5, 0.5]]]
    assert [line.get_xydata().tolist() for line in right.lines] == [[[1, 0.1], [0.75, 0.5]]]
    assert [text.get_text() for text in left.get_legend().get_texts()] == ["a", "b"]
    assert (right.get_xscale(), right.get_yscale(), right.get_xlabel()) == ("log", "log", "false positives per image")
