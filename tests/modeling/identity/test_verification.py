import math

import pytest
import torch
from torch.nn.functional import normalize

from inet_d2.data.pids import UNLABELLED
from inet_d2.modeling.identity.verification import VerificationTerm, squared_difference_logits, verification_loss

GENERATOR = torch.Generator().manual_seed(2)
EMBEDDINGS = normalize(torch.randn(5, 3, generator=GENERATOR, dtype=torch.float64))
WEIGHT = torch.randn(3, generator=GENERATOR, dtype=torch.float64)
BIAS = torch.tensor(0.7, dtype=torch.float64)


def test_logits_equal_slow_twin():
    logits = squared_difference_logits(EMBEDDINGS, WEIGHT, BIAS)
    for i in range(5):
        for j in range(5):
            twin = sum(float(WEIGHT[d]) * float(EMBEDDINGS[i, d] - EMBEDDINGS[j, d]) ** 2 for d in range(3)) + 0.7
            assert float(logits[i, j]) == pytest.approx(twin, abs=1e-12)


def test_equal_weights_are_a_scaled_and_shifted_cosine():
    # w = -5 everywhere: -5 |x - y|^2 + 5 = -5 (2 - 2 cos) + 5 = 10 (cos - .5)
    logits = squared_difference_logits(EMBEDDINGS, torch.full_like(WEIGHT, -5.0), torch.full_like(BIAS, 5.0))
    torch.testing.assert_close(logits, 10 * (EMBEDDINGS @ EMBEDDINGS.T - 0.5))


def test_loss_by_hand():
    logits = torch.tensor([[0.0, math.log(3.0)], [-math.log(4.0), 0.0]])
    same = torch.tensor([[False, True], [False, False]])
    different = torch.tensor([[True, False], [True, False]])
    # same: log(1 + 1/3) = .28768; different: log 2 = .69315 and log(1 + 1/4) = .22314, mean .45815
    expected = (0.287682 + (0.693147 + 0.223144) / 2) / 2
    assert float(verification_loss(logits, same, different)) == pytest.approx(expected, abs=1e-6)
    # Only one kind of pair: half of its mean.
    nothing = torch.zeros_like(same)
    assert float(verification_loss(logits, same, nothing)) == pytest.approx(0.287682 / 2, abs=1e-6)


def test_gradcheck():
    same = torch.eye(5, dtype=torch.bool).roll(1, dims=1)
    different = torch.eye(5, dtype=torch.bool).roll(2, dims=1)

    def loss(embeddings, weight, bias):
        return verification_loss(squared_difference_logits(embeddings, weight, bias), same, different)

    arguments = [x.clone().requires_grad_() for x in (EMBEDDINGS, WEIGHT, BIAS)]
    assert torch.autograd.gradcheck(loss, arguments)


def test_no_pair_gives_zero_with_a_graph():
    embeddings = EMBEDDINGS.clone().requires_grad_()
    nothing = torch.zeros(5, 5, dtype=torch.bool)
    loss = verification_loss(squared_difference_logits(embeddings, WEIGHT, BIAS), nothing, nothing)
    loss.backward()
    assert loss == 0
    assert not embeddings.grad.any()


def test_verification_by_slow_twin(make_pair_batch):
    batch = make_pair_batch()
    e, pids = batch.embeddings.detach(), batch.pids.tolist()
    losses = {True: [], False: []}
    for i in range(4):
        for j in range(4, 8):
            people = pids[i] >= UNLABELLED and pids[j] >= UNLABELLED
            if people and (pids[i] >= 0 or pids[j] >= 0):  # two unlabelled people may be the same
                logit = 10 * (float(e[i] @ e[j]) - 0.25)
                same = pids[i] == pids[j]
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
