"""Triplet and verification on a small batch: which regions take part."""

import math

import pytest
import torch
from torch.nn.functional import normalize

from inet_d2.data.pids import BACKGROUND, IGNORED, UNLABELLED
from inet_d2.modeling.identity_batch import IdentityBatch
from inet_d2.modeling.identity_terms import TripletTerm, VerificationTerm

# Images 0 and 1 are a pair, image 2 belongs to another one.
PIDS = [3, 5, UNLABELLED, BACKGROUND, 3, 3, UNLABELLED, IGNORED, 3, 7]
IMAGES = [0, 0, 0, 0, 1, 1, 1, 1, 2, 2]


def make_batch(**options):
    generator = torch.Generator().manual_seed(0)
    embeddings = normalize(torch.randn(len(PIDS), 4, generator=generator)).requires_grad_()
    pids = torch.tensor(PIDS)
    return IdentityBatch(embeddings, pids, torch.tensor(IMAGES), is_person=pids >= UNLABELLED, **options)


def test_triplets_by_slow_twin():
    batch = make_batch()
    e = batch.embeddings.detach()
    losses = []
    # Person 3 of the first pair: region 0 against 4 and 5, and back. Negatives: people with another pid.
    for anchor, positives in ((0, (4, 5)), (4, (0,)), (5, (0,))):
        farthest = max(1 - float(e[anchor] @ e[p]) for p in positives)
        nearest = min(1 - float(e[anchor] @ e[n]) for n in (1, 2, 6, 9))
        losses.append(max(0.0, 0.5 + farthest - nearest))
    loss = TripletTerm(margin=0.5, use_dictionary=False, loss_weight=1.0)(batch)
    assert sum(losses) > 0
    assert float(loss.detach()) == pytest.approx(sum(losses) / 3, abs=1e-6)
    loss.backward()
    # Background and ignored regions have no part in it.
    assert not batch.embeddings.grad[[3, 7]].any()


def test_triplets_with_the_dictionary():
    negatives = torch.eye(4)[:2]
    batch = make_batch(negatives=negatives, negative_pids=torch.tensor([BACKGROUND, 3]))
    e = batch.embeddings.detach()
    losses = []
    # Entry 1 is person 3 itself; only the background entry counts.
    for anchor, positives in ((0, (4, 5)), (4, (0,)), (5, (0,))):
        farthest = max(1 - float(e[anchor] @ e[p]) for p in positives)
        losses.append(max(0.0, 0.5 + farthest - (1 - float(e[anchor, 0]))))
    term = TripletTerm(margin=0.5, use_dictionary=True, loss_weight=1.0)
    assert term.needs_dictionary
    assert float(term(batch).detach()) == pytest.approx(sum(losses) / 3, abs=1e-6)


def test_verification_by_slow_twin():
    batch = make_batch()
    e = batch.embeddings.detach()
    losses = {True: [], False: []}
    for i in range(4):
        for j in range(4, 8):
            people = PIDS[i] >= UNLABELLED and PIDS[j] >= UNLABELLED
            if people and (PIDS[i] >= 0 or PIDS[j] >= 0):  # two unlabelled people may be the same
                logit = 10 * (float(e[i] @ e[j]) - 0.25)
                same = PIDS[i] == PIDS[j]
                losses[same].append(math.log(1 + math.exp(-logit if same else logit)))
    # Same: region 0 with 4 and 5. Different: 0-6, 1-4, 1-5, 1-6, 2-4, 2-5.
    assert (len(losses[True]), len(losses[False])) == (2, 6)
    expected = sum(sum(x) / len(x) for x in losses.values()) / 2
    term = VerificationTerm(embed_dim=4, scale=10.0, threshold=0.25, loss_weight=1.0)
    loss = term(batch)
    assert float(loss.detach()) == pytest.approx(expected, abs=1e-5)
    loss.backward()
    assert term.weight.grad.any()
    assert term.bias.grad.any()
    assert not batch.embeddings.grad[[3, 7, 8, 9]].any()
