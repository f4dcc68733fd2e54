import itertools

import numpy as np
import pytest
from detectron2.utils import comm

from inet_d2.data.sample_stream import TrainingBatches, build_stream_loader


def flat(batches):
    return list(itertools.chain.from_iterable(batches))


def take(batches, number):
    return [[index for _, index in batch] for batch in itertools.islice(batches, number)]


def test_epochs_are_shuffles_of_everything():
    drawn = flat(take(TrainingBatches(10, items_per_batch=4, seed=3), 5))
    assert sorted(drawn[:10]) == sorted(drawn[10:]) == list(range(10))
    assert drawn[:10] != drawn[10:]
    assert drawn == flat(take(TrainingBatches(10, items_per_batch=4, seed=3), 5))
    assert drawn != flat(take(TrainingBatches(10, items_per_batch=4, seed=4), 5))


@pytest.mark.parametrize("groups", [None, [0, 1, 1, 0, 1, 0, 0, 0, 1, 1]])
def test_the_stream_can_be_entered_anywhere(groups):
    whole = list(itertools.islice(TrainingBatches(10, items_per_batch=3, seed=1, groups=groups), 9))
    later = TrainingBatches(10, items_per_batch=3, seed=1, groups=groups)
    later.num_taken = 12
    assert list(itertools.islice(later, 5)) == whole[4:]


def test_groups_do_not_mix_and_nothing_is_lost():
    groups = [index % 3 == 0 for index in range(10)]
    batches = take(TrainingBatches(10, items_per_batch=2, seed=1, groups=groups), 40)
    assert all(groups[first] == groups[second] for first, second in batches)
    counts = np.bincount(flat(batches), minlength=10)
    assert counts.min() >= 7  # eight epochs were begun, and at most one item of each group waits


def test_processes_share_every_batch(monkeypatch):
    whole = take(TrainingBatches(10, items_per_batch=4, seed=1), 6)
    parts = []
    for rank in range(2):
        monkeypatch.setattr(comm, "get_world_size", lambda: 2)
        monkeypatch.setattr(comm, "get_rank", lambda rank=rank: rank)
        parts.append(take(TrainingBatches(10, items_per_batch=4, seed=1), 6))
    assert [first + second for first, second in zip(*parts, strict=True)] == whole


def test_no_item_is_an_error():
    with pytest.raises(ValueError, match="expected a data set with items, found none"):
        TrainingBatches(0, items_per_batch=1, seed=0)


def draws(item):
    return item, np.random.random()  # noqa: NPY002


def test_a_sample_is_random_by_its_place_alone():
    drawn = []
    for num_workers in (0, 2):
        batches = TrainingBatches(5, items_per_batch=2, seed=1)
        np.random.seed(num_workers)  # noqa: NPY002
        loader = build_stream_loader(list("abcde"), draws, batches, num_workers=num_workers)
        drawn.append(flat(itertools.islice(loader, 5)))
    assert drawn[0] == drawn[1]
    assert len({number for _, number in drawn[0]}) == 10  # an item is mapped anew in every epoch
