import numpy as np
import pytest

from faults.mutator import MUTATIONS, cut, draw_mutation, flip_bits, move_block, set_word

CONTENT = bytes(range(256)) * 2


@pytest.mark.parametrize("mutate", MUTATIONS, ids=lambda m: m.__name__)
@pytest.mark.parametrize("content", [CONTENT, b"x"], ids=["long", "one byte"])
def test_the_seed_decides(mutate, content):
    first, second = (mutate(content, np.random.default_rng(7)) for _ in range(2))
    assert first == second


@pytest.mark.parametrize("mutate", MUTATIONS, ids=lambda m: m.__name__)
def test_the_content_is_another(mutate):
    changed = [mutate(CONTENT, np.random.default_rng(seed)) != CONTENT for seed in range(20)]
    assert sum(changed) >= 18  # a block may be what it was


def test_what_some_of_them_do():
    rng = np.random.default_rng(0)
    flipped = np.frombuffer(flip_bits(CONTENT, rng), np.uint8) ^ np.frombuffer(CONTENT, np.uint8)
    assert np.unpackbits(flipped).sum() == 1
    assert CONTENT.startswith(cut(CONTENT, rng))
    assert sorted(move_block(CONTENT, rng)) == sorted(CONTENT)
    assert len(set_word(CONTENT, rng)) == len(CONTENT)


def test_all_are_drawn():
    rng = np.random.default_rng(0)
    assert {draw_mutation(rng) for _ in range(2000)} == set(MUTATIONS)
