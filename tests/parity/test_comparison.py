"""The comparison finds what differs: without that, agreement would mean nothing."""

import math

import pytest
import torch


@pytest.mark.parametrize(
    ("a", "b", "fault"),
    [
        ({"x": 1}, {"x": 1, "y": 2}, "/: only B has y"),
        ({"x": 1, "y": 2}, {"y": 2, "x": 1}, "/: the keys are in another order"),
        ([1, 2], [1], "/: 2 and 1 items"),
        ({"x": [1, "a"]}, {"x": [1, "b"]}, "/x/1: 'a' and 'b'"),
        (1, 1.0, "/: int 1 and float 1.0"),
        (1.0, 1.25, "/: largest difference 0.25"),
        (math.nan, 1.0, "/: largest difference inf"),
        (torch.zeros(2), torch.zeros(3), "/: (2,) torch.float32 and (3,) torch.float32"),
        (torch.zeros(2), torch.zeros(2).double(), "/: (2,) torch.float32 and (2,) torch.float64"),
        (torch.tensor([1, 2]), torch.tensor([1, 5]), "/: largest difference 3"),
        (torch.tensor([math.inf]), torch.tensor([-math.inf]), "/: largest difference inf"),
    ],
)
def test_a_difference_is_found(comparison, a, b, fault):
    found = comparison()
    found.compare(a, b)
    assert len(found.faults) == 1
    assert f"/{found.faults[0].removeprefix('/')}".startswith(fault)


def test_equal_values_have_no_faults(comparison):
    value = {"x": [1, "a", None, True], "y": torch.tensor([1.0, math.nan, math.inf]), "z": math.nan}
    found = comparison()
    found.compare(value, value)
    assert (found.faults, found.largest, found.count) == ([], 0.0, 8)


def test_tolerance_is_for_numbers_that_are_not_whole(comparison):
    found = comparison(atol=0.5, rtol=0.1)
    found.compare(torch.tensor([0.0, 10.0]), torch.tensor([1.5, 10.0]))  # 0.5 + 0.1 * 10 are allowed
    assert found.faults == []
    assert found.largest == 1.5
    found.compare(torch.tensor([0.0, 10.0]), torch.tensor([1.6, 10.0]))
    found.compare(torch.tensor([0]), torch.tensor([1]))
    assert len(found.faults) == 2
