import numpy as np
import torch

from inet_d2.data import pids


def test_codes_are_distinct_and_never_labelled():
    codes = np.array([pids.UNLABELLED, pids.BACKGROUND, pids.IGNORED])
    assert codes.tolist() == [-1, -2, -3]
    assert not pids.is_labelled(codes).any()


def test_is_labelled_keeps_the_kind():
    assert pids.is_labelled(np.array([[0, -1], [5, -3]])).tolist() == [[True, False], [True, False]]
    found = pids.is_labelled(torch.tensor([0, -1, -2, 7]))
    assert isinstance(found, torch.Tensor)
    assert found.tolist() == [True, False, False, True]
    assert pids.is_labelled(0) is True
