import sys

import pytest

from inet_d2.visualization import draw_gallery_curves

SIZES = {50: [70.0, 80.0], 4000: [60.0, 60.0], 100: [66.0]}


def test_a_line_goes_through_means_with_the_spread_of_the_runs():
    figure = draw_gallery_curves({"mAP": {"I-Net": SIZES, "OIM": {50: [40.0]}}, "top-1": {"I-Net": {50: [1.0]}}})
    panel, other = figure.axes
    line, bars = panel.containers[0][0], panel.containers[0][2][0]
    assert line.get_xydata().tolist() == [[50, 75], [100, 66], [4000, 60]]
    # 70 and 80: mean 75, deviations 5 and 5, spread sqrt((25 + 25) / (2 - 1)) = 7.07.
    ends = [segment[:, 1].tolist() for segment in bars.get_segments()]
    assert ends == [pytest.approx([75 - 50**0.5, 75 + 50**0.5]), [66, 66], [60, 60]]
    assert [text.get_text() for text in panel.get_xticklabels()] == ["50", "100", "4,000"]
    assert [text.get_text() for text in panel.get_legend().get_texts()] == ["I-Net", "OIM"]
    assert (panel.get_ylabel(), other.get_ylabel()) == ("mAP (%)", "top-1 (%)")


def test_a_single_run_has_neither_bars_nor_a_legend():
    (panel,) = draw_gallery_curves({"mAP": {"I-Net": {50: [40.0], 100: [30.0]}}}).axes
    assert panel.containers[0][2] == ()
    assert panel.get_legend() is None


def test_without_matplotlib_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ValueError, match="needs matplotlib, and there is none; install it: pip install matplotlib"):
        draw_gallery_curves({"mAP": {"I-Net": {50: [1.0]}}})
