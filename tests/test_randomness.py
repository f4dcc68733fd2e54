import random

import numpy as np
import torch

from inet_d2.randomness import generators_seeded, seed_generators


def draw():
    return float(torch.rand(())), np.random.random(), random.random()  # noqa: NPY002


def test_a_key_decides_on_everything_that_is_drawn():
    drawn = []
    for key in ((0, 1), (0, 2), (1, 1), (0, 1, 0), (0, 1)):
        seed_generators(*key)
        drawn.append(draw())
    assert drawn[0] == drawn[4]
    for numbers in zip(*drawn[:4], strict=True):
        assert len(set(numbers)) == 4


def test_a_block_draws_the_same_and_leaves_no_trace():
    seed_generators(7)
    expected = draw(), draw()
    seed_generators(7)
    first = draw()
    with generators_seeded(3, 4):
        inside = draw()
    assert (first, draw()) == expected
    seed_generators(3, 4)
    assert draw() == inside
