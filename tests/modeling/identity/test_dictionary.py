import pytest
import torch

from inet_d2.modeling.identity.dictionary import FeatureDictionary


def rows(*values):
    return torch.tensor([[float(v), -float(v)] for v in values]), torch.tensor(values)


def test_first_in_first_out_with_wrap_around():
    dictionary = FeatureDictionary(size=5, embed_dim=2)
    assert len(dictionary) == 0
    assert len(dictionary.contents()[0]) == 0
    dictionary.update(*rows(1, 2, 3))
    assert dictionary.contents()[1].tolist() == [1, 2, 3]
    # 4, 5 fill it; 6 replaces 1, the oldest
    dictionary.update(*rows(4, 5, 6))
    assert dictionary.contents()[1].tolist() == [6, 2, 3, 4, 5]
    dictionary.update(*rows(7, 8))
    embeddings, pids = dictionary.contents()
    assert pids.tolist() == [6, 7, 8, 4, 5]
    assert embeddings[:, 0].tolist() == [6, 7, 8, 4, 5]
    assert int(dictionary.pointer) == 3


def test_equals_a_deque_whatever_the_sizes():
    from collections import deque

    dictionary, twin, value = FeatureDictionary(size=7, embed_dim=2), deque(maxlen=7), 0
    for n in (3, 0, 5, 1, 7, 9, 2, 20):
        values = list(range(value, value + n))
        value += n
        dictionary.update(
            torch.tensor([[v, v] for v in values], dtype=torch.float32).reshape(n, 2),
            torch.tensor(values, dtype=torch.int64),
        )
        twin.extend(values)
        assert sorted(dictionary.contents()[1].tolist()) == sorted(twin)


def test_update_does_not_follow_gradients():
    dictionary = FeatureDictionary(size=3, embed_dim=2)
    dictionary.update(torch.ones(1, 2, requires_grad=True), torch.tensor([1]))
    assert not dictionary.contents()[0].requires_grad


def test_state_survives_a_checkpoint():
    dictionary = FeatureDictionary(size=4, embed_dim=2)
    dictionary.update(*rows(1, 2, 3))
    dictionary.update(*rows(4, 5))
    restored = FeatureDictionary(size=4, embed_dim=2)
    restored.load_state_dict(dictionary.state_dict())
    for d in (dictionary, restored):
        d.update(*rows(6))
    assert restored.contents()[1].tolist() == dictionary.contents()[1].tolist() == [5, 6, 3, 4]


@pytest.mark.parametrize(("size", "dim"), [(0, 2), (3, 0), (-1, 2)])
def test_bad_sizes_are_refused(size, dim):
    with pytest.raises(ValueError, match=f"must be positive, found {size} and {dim}"):
        FeatureDictionary(size=size, embed_dim=dim)
