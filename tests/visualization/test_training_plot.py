import math

import numpy as np
import pytest

from inet_d2.visualization.training_plot import draw_training_curves, smooth

ITERATIONS = np.array([19, 39, 59])


def test_smoothing_is_the_mean_of_the_neighbours():
    # (3 + 5) / 2 = 4, (3 + 5 + 10) / 3 = 6, (5 + 10 + 1) / 3 = 16 / 3, (10 + 1) / 2 = 5.5
    assert smooth(np.array([3.0, 5, 10, 1]), 3) == pytest.approx([4, 6, 16 / 3, 5.5])
    assert smooth(np.array([3.0, 5, 10, 1]), 2) == pytest.approx([3, 4, 7.5, 5.5])  # one back, none ahead
    assert smooth(np.array([3.0, 5, 10, 1]), 1).tolist() == [3, 5, 10, 1]
    assert smooth(np.array([3.0, 5]), 100) == pytest.approx([4, 4])


def test_a_value_that_is_not_finite_stays_alone():
    smoothed = smooth(np.array([2.0, math.nan, 4, math.inf]), 3)
    assert smoothed[[0, 2]] == pytest.approx([2, 4])
    assert math.isnan(smoothed[1])
    assert math.isinf(smoothed[3])


def test_a_window_of_nothing_is_refused():
    with pytest.raises(ValueError, match="expected a window of at least 1 value, found 0"):
        smooth(np.zeros(3), 0)


def test_a_run_has_one_colour_in_all_panels():
    curve = (ITERATIONS, np.array([3.0, 2, 1]))
    figure = draw_training_curves({"a": {"one": curve, "two": curve}, "b": {"two": curve}})
    first, second = figure.axes
    assert [line.get_label() for line in first.lines[:2]] == ["one", "two"]
    assert first.lines[1].get_color() == second.lines[0].get_color() != first.lines[0].get_color()
    assert second.lines[0].get_xydata().tolist() == [[19, 3], [39, 2], [59, 1]]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["one", "two"]


def test_what_was_smoothed_is_beneath_and_empty_panels_are_not_drawn():
    curve = (ITERATIONS, np.array([3.0, 0, 3]))
    figure = draw_training_curves({name: {"one": curve} for name in "abcd"}, window=3)
    assert [line.get_ydata().tolist() for line in figure.axes[0].lines] == [[3, 0, 3], [1.5, 2, 1.5]]
    assert [panel.axison for panel in figure.axes] == [True] * 4 + [False] * 2
    assert figure.legends == []
