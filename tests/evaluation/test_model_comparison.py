import numpy as np
import pytest

from inet_d2.evaluation.model_comparison import differences, intervals, query_values
from inet_d2.evaluation.search_ranking import SearchRanking


def ranking(precisions, ranks, truths=None):
    truths = np.ones(len(precisions), dtype=np.int64) if truths is None else np.array(truths)
    ranks = np.array(ranks, dtype=np.int64)
    return SearchRanking(np.array(precisions, dtype=float), ranks, truths, (ranks >= 0).astype(np.int64))


def test_values_are_what_the_figures_are_means_of():
    found = ranking([1.0, 0.25, 0.0, 0.0], [0, 7, -1, -1], [1, 1, 1, 0])
    values = query_values(found)
    assert values["mAP"].tolist() == [100, 25, 0]
    assert values["top10"].tolist() == [100, 100, 0]
    assert {name: each.mean() for name, each in values.items()} == pytest.approx(found.figures())


def test_intervals_hold_the_figures():
    generator = np.random.default_rng(0)
    found = {"50": ranking(generator.random(100), generator.integers(0, 20, 100)), "none": ranking([0.0], [-1], [0])}
    ends = intervals(found)
    assert set(ends) == {"50"}
    for name, value in found["50"].figures().items():
        assert ends["50"][name][0] < value < ends["50"][name][1]


def test_differences_are_those_of_the_figures():
    generator = np.random.default_rng(0)
    one, other = ({"50": ranking(generator.random(60), generator.integers(0, 9, 60))} for _ in range(2))
    found = differences(one, other)["50"]
    assert set(found) == {"mAP", "top1", "top5", "top10"}
    expected = one["50"].figures()["mAP"] - other["50"].figures()["mAP"]
    assert found["mAP"]["difference"] == pytest.approx(expected)
    assert set(found["mAP"]) == {"difference", "low", "high", "p_value"}
