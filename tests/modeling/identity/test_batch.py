import pytest
import torch

from inet_d2.data.pids import BACKGROUND, UNLABELLED
from inet_d2.modeling.identity.batch import cross_image_positives


def test_positives_are_the_same_person_in_the_other_image_of_the_pair():
    pids = torch.tensor([5, 5, UNLABELLED, 5, UNLABELLED, BACKGROUND, 5, 8, 8])
    images = torch.tensor([0, 0, 0, 1, 1, 1, 2, 2, 3])
    positives = cross_image_positives(pids, images).nonzero().tolist()
    # 5 in images 0 (twice) and 1; 5 in image 2 is of another pair; 8 in images 2 and 3
    assert positives == [[0, 3], [1, 3], [3, 0], [3, 1], [7, 8], [8, 7]]


def test_subgroups_are_formed_once_for_each_gradient(make_pair_batch):
    batch = make_pair_batch(negatives=torch.eye(4)[:2], negative_pids=torch.tensor([BACKGROUND, 3]))
    assert batch.subgroups() is batch.subgroups("anchor")
    assert batch.subgroups("full") is batch.subgroups("full")
    assert batch.subgroups("full") is not batch.subgroups()
    for a, b in zip(vars(batch.subgroups()).values(), vars(batch.subgroups("full")).values(), strict=True):
        assert torch.equal(a, b)


def test_positives_are_computed_once(monkeypatch, make_pair_batch):
    calls = []
    monkeypatch.setattr(
        "inet_d2.modeling.identity.batch.cross_image_positives", lambda *x: calls.append(1) or cross_image_positives(*x)
    )
    batch = make_pair_batch(negatives=torch.eye(4)[:2], negative_pids=torch.tensor([BACKGROUND, 3]))
    assert torch.equal(batch.subgroups().is_positive, batch.is_positive[batch.subgroups("full").anchors])
    assert len(calls) == 1


def test_subgroups_need_a_dictionary(make_pair_batch):
    with pytest.raises(ValueError, match="expected a dictionary, found none; set needs_dictionary"):
        make_pair_batch().subgroups()
