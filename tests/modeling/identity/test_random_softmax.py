"""Random sampling softmax: the draws, and the term on a batch."""

import itertools
import math

import pytest
import torch
from torch.nn.functional import cross_entropy, normalize

from inet_d2.data.pids import BACKGROUND, IGNORED, UNLABELLED
from inet_d2.modeling.identity.batch import IdentityBatch
from inet_d2.modeling.identity.classifier import IdentityClassifier
from inet_d2.modeling.identity.random_softmax import RandomSoftmaxTerm, draw_distinct, random_class_sets


def kept(classes, left_out):
    return [row[~out].tolist() for row, out in zip(classes, left_out, strict=True)]


@pytest.mark.parametrize(("num_identities", "size"), [(8, 2), (8, 5), (8, 8), (8, 9), (8, 50), (3, 3), (10**9, 40)])
def test_every_row_has_own_background_and_distinct_others(num_identities, size):
    torch.manual_seed(0)
    targets = torch.tensor([0, 2, num_identities, 1, num_identities] * 20)
    classes, left_out = random_class_sets(targets, background_class=num_identities, size=size)
    assert classes[:, 0].tolist() == targets.tolist()
    assert not left_out[:, 0].any()
    for own, row in zip(targets.tolist(), kept(classes, left_out), strict=True):
        assert len(row) == len(set(row)) == min(size, num_identities + 1)
        assert {own, num_identities} <= set(row)
        assert all(0 <= c <= num_identities for c in row)


def test_random_classes_differ_between_regions_and_are_drawn_alike():
    torch.manual_seed(0)
    rows = kept(*random_class_sets(torch.full((4000,), 3), background_class=12, size=5))
    counts = torch.zeros(13)
    for row in rows:
        counts[row] += 1
    assert counts[[3, 12]].tolist() == [4000, 4000]
    # 3 random ones of 11: 1091 expected each, standard deviation sqrt(4000 * 3/11 * 8/11) = 28
    others = counts[[c for c in range(12) if c != 3]]
    assert others.min() > 1091 - 5 * 28
    assert others.max() < 1091 + 5 * 28
    assert len({tuple(sorted(row)) for row in rows}) == 165  # all (11 choose 3) sets occur


def test_all_subsets_are_equally_likely():
    torch.manual_seed(0)
    subsets = [tuple(sorted(row)) for row in draw_distinct(6000, population=5, size=3).tolist()]
    # (5 choose 3) = 10 subsets, 600 each expected, standard deviation sqrt(6000 * .1 * .9) = 23
    for subset in itertools.combinations(range(5), 3):
        assert 600 - 5 * 23 < subsets.count(subset) < 600 + 5 * 23


def test_nothing_to_draw():
    assert draw_distinct(0, population=5, size=3).shape == (0, 3)
    classes, left_out = random_class_sets(torch.zeros(0, dtype=torch.int64), background_class=5, size=3)
    assert classes.shape == left_out.shape == (0, 4)


def make_batch(pids, num_pids=30):
    torch.manual_seed(0)
    embeddings = normalize(torch.randn(len(pids), 8)).requires_grad_()
    pids = torch.tensor(pids, dtype=torch.int64)
    classifier = IdentityClassifier(embed_dim=8, num_classes=num_pids + 1, scale=5.0)
    torch.nn.init.normal_(classifier.weight)
    return IdentityBatch(embeddings, pids, torch.zeros_like(pids), pids >= UNLABELLED, classifier)


def build(num_classes, num_pids=30):
    return RandomSoftmaxTerm(num_classes=num_classes, num_pids=num_pids, person_share=0.0, loss_weight=1.0)


def test_with_all_classes_it_is_the_full_softmax():
    batch = make_batch([3, UNLABELLED, BACKGROUND, IGNORED, 4])
    expected = cross_entropy(batch.classifier(batch.embeddings[[0, 2, 4]]), torch.tensor([3, 30, 4]))
    torch.testing.assert_close(build(31)(batch), expected)


def test_with_two_classes_it_is_own_against_background():
    batch = make_batch([3, 7])
    logits = batch.classifier(batch.embeddings)
    expected = torch.stack(
        [cross_entropy(logits[i, [pid, 30]][None], torch.tensor([0])) for i, pid in ((0, 3), (1, 7))]
    )
    torch.testing.assert_close(build(2)(batch), expected.mean())


def test_chance_level_is_the_log_of_the_number_of_classes():
    batch = make_batch([3, BACKGROUND, 29])
    torch.nn.init.zeros_(batch.classifier.weight)
    assert float(build(10)(batch).detach()) == pytest.approx(math.log(10), abs=1e-6)


def test_gradients_are_finite_and_no_sample_gives_zero():
    batch = make_batch([3, BACKGROUND, 29])
    build(5)(batch).backward()
    assert torch.isfinite(batch.embeddings.grad).all()
    assert torch.isfinite(batch.classifier.weight.grad).all()
    batch = make_batch([UNLABELLED, IGNORED])
    loss = build(5)(batch)
    loss.backward()
    assert loss == 0
    assert not batch.embeddings.grad.any()


def test_fewer_than_two_classes_are_refused():
    with pytest.raises(ValueError, match=r"RANDOM_SOFTMAX\.NUM_CLASSES: .* at least 2, found 1"):
        build(1)
