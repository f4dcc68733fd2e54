import pytest

from inet_d2.reproduction.paper_table import (
    PaperRow,
    format_differences,
    format_figures,
    format_paper_table,
    mean_and_spread,
    paired_difference,
)


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


def test_a_difference_is_paired_over_the_seeds():
    # Seeds 1, 2 and 3: 1, 2 and 6; mean 3, deviations -2, -1 and 3, spread sqrt((4 + 1 + 9) / 2) = 2.646, and of the
    # mean 2.646 / sqrt(3) = 1.528. Seed 4 has no partner. Unpaired, the spread of the seeds would be 10 and more.
    ours, theirs = {1: 71.0, 2: 82.0, 3: 96.0, 4: 0.0}, {1: 70.0, 2: 80.0, 3: 90.0}
    assert paired_difference(ours, theirs) == pytest.approx((3.0, 1.5275, 3), abs=1e-4)
    assert paired_difference({1: 71.0}, theirs) == (1.0, None, 1)


def test_a_table_of_differences():
    start = PaperRow("start", "a", [None] * 3, [{1: 70.0, 2: 80.0}, {1: 50.0}, None])
    olp = PaperRow("OLP", "b", [None] * 3, [{1: 71.0, 2: 83.0}, {1: 48.5, 2: 1.0}, {1: 2.0}])
    assert format_differences(["mAP", "top-1", "AP"], [(olp, start)]).splitlines() == [
        "| difference      | mAP            | top-1    | AP |",
        "|-----------------|----------------|----------|----|",
        "| OLP minus start | +2.0 ± 1.0 (2) | -1.5 (1) | -  |",
    ]
