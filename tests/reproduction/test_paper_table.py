import pytest

from inet_d2.reproduction.paper_table import PaperRow, format_figures, format_paper_table, mean_and_spread


def test_mean_and_spread():
    # 62 and 64: mean 63, deviations 1 and 1, spread sqrt((1 + 1) / (2 - 1)).
    assert mean_and_spread([62.0, 64.0]) == pytest.approx((63.0, 2**0.5))
    assert mean_and_spread([62.0]) == (62.0, None)


@pytest.mark.parametrize(
    ("figures", "cell"),
    [
        ({1: 62.0, 2: 64.0}, "63.0 ± 1.4"),
        ({1: 62.0}, "62.0 (1 of 2 seeds)"),
        ({3: 62.0}, "not run"),
        ({}, "not run"),
    ],
)
def test_a_cell_says_how_many_seeds_it_has(figures, cell):
    assert format_figures(figures, [1, 2]) == cell


def test_published_figures_stand_beside_ours():
    rows = [
        PaperRow("OLP", "olp", [73.6, None], [{1: 70.04}, {1: 1.0}]),
        PaperRow("NPSM", None, [77.9, None], [None, None], "two steps"),
        PaperRow("start", "crops", [None, None], [None, {}]),
    ]
    assert format_paper_table(["mAP", "AP"], rows, [1]).splitlines() == [
        "| row   | mAP: paper | mAP: ours       | AP: ours        | note      |",
        "|-------|------------|-----------------|-----------------|-----------|",
        "| OLP   | 73.6       | 70.0            | 1.0             |           |",
        "| NPSM  | 77.9       | not implemented | not implemented | two steps |",
        "| start | -          | -               | not run         |           |",
    ]
