import math

import pytest
import torch

from inet_d2.modeling.identity.drift import embedding_drift

X, Y, Z = torch.eye(3).tolist()


def test_nothing_moves():
    # Two people with two regions each, orthogonal: the positive has cosine 1, the two negatives 0.
    now = torch.tensor([X, X, Y, Y])
    figures = embedding_drift(now, now, torch.tensor([0, 0, 1, 1]))
    loss = -math.log(math.e / (math.e + 2))
    expected = {"drift": 0, "others_now": 0, "others_stored": 0, "loss_now": loss, "loss_stored": loss, "rank1": 1}
    assert figures == pytest.approx(expected, abs=1e-6)


def test_moving_together_lowers_the_loss_with_stored_negatives_only():
    # All four are alike before (x) and now (y): nobody is told apart, yet stored negatives have cosine 0 instead of 1.
    before, now = torch.tensor([X] * 4), torch.tensor([Y] * 4)
    figures = embedding_drift(now, before, torch.tensor([0, 0, 1, 1]), scale=2.0)
    assert figures["drift"] == pytest.approx(1)
    assert (figures["others_now"], figures["others_stored"]) == pytest.approx((1, 0))
    assert figures["loss_now"] == pytest.approx(math.log(3))
    assert figures["loss_stored"] == pytest.approx(-math.log(math.e**2 / (math.e**2 + 2)))


def test_rank1_counts_people_with_another_region():
    # Of person 0 the second region is nearer to person 1; person 1 has one region and does not count.
    now = torch.nn.functional.normalize(torch.tensor([X, [1.0, 2.0, 0.0], Y]))
    assert embedding_drift(now, now, torch.tensor([0, 0, 1]))["rank1"] == 0.5


def test_people_are_needed():
    now = torch.tensor([X, Y])
    for pids in ([0, 1], [0, 0]):
        with pytest.raises(ValueError, match="expected people with two regions, found"):
            embedding_drift(now, now, torch.tensor(pids))
