"""Random sampling softmax on a batch (HEP and the full softmax: tests/modeling/test_identity_losses.py)."""

import math

import pytest
import torch
from torch.nn.functional import cross_entropy, normalize

from inet_d2.data.pids import BACKGROUND, IGNORED, UNLABELLED
from inet_d2.modeling.identity_batch import IdentityBatch
from inet_d2.modeling.identity_terms import RandomSoftmaxTerm
from inet_d2.modeling.losses.softmax import IdentityClassifier


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
    with pytest.raises(ValueError, match=r"RANDOM_SOFTMAX\.NUM_CLASSES: .* at least 2, got 1"):
        build(1)
