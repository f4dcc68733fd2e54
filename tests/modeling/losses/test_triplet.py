import pytest
import torch
from torch.nn.functional import normalize

from inet_d2.modeling.losses.olp import Subgroups, form_subgroups
from inet_d2.modeling.losses.triplet import triplet_loss

INF = float("inf")


def test_value_by_hand():
    subgroups = Subgroups(
        anchors=torch.tensor([0, 1, 2]),
        positive_similarity=torch.tensor([[1.0, 0.9, 0.4], [0.9, 1.0, 0.2], [0.4, 0.2, 1.0]]),
        is_positive=torch.tensor([[False, True, True], [True, False, False], [True, False, False]]),
        negative_similarity=torch.tensor([[0.5, 0.1], [0.3, 0.2], [-INF, -INF]]),
    )
    # farthest positive .4, nearest negative .5: .3 + .5 - .4 = .4; .3 + .3 - .9 < 0; no negative: 0
    assert float(triplet_loss(subgroups, margin=0.3)) == pytest.approx(0.4 / 3, abs=1e-6)
    # margin .8: .9, .8 + .3 - .9 = .2, 0
    assert float(triplet_loss(subgroups, margin=0.8)) == pytest.approx(1.1 / 3, abs=1e-6)


def random_case():
    generator = torch.Generator().manual_seed(1)
    embeddings = normalize(torch.randn(6, 5, generator=generator, dtype=torch.float64))
    pids = torch.tensor([3, 3, 7, 3, 7, 1])
    images = torch.tensor([0, 0, 0, 1, 1, 1])
    return embeddings, pids, (pids[:, None] == pids) & (images[:, None] != images)


def test_equals_slow_twin():
    embeddings, pids, is_positive = random_case()
    losses = []
    for a in range(5):  # region 5 has no positive
        positives = [1 - float(embeddings[a] @ embeddings[p]) for p in range(6) if is_positive[a, p]]
        negatives = [1 - float(embeddings[a] @ embeddings[n]) for n in range(6) if pids[n] != pids[a]]
        losses.append(max(0.0, 0.4 + max(positives) - min(negatives)))
    subgroups = form_subgroups(embeddings, is_positive, embeddings, pids[:, None] != pids, gradient="full")
    assert float(triplet_loss(subgroups, margin=0.4)) == pytest.approx(sum(losses) / 5, abs=1e-12)


def test_gradcheck():
    embeddings, pids, is_positive = random_case()

    def loss(e):
        return triplet_loss(form_subgroups(e, is_positive, e, pids[:, None] != pids, gradient="full"), margin=1.0)

    assert torch.autograd.gradcheck(loss, embeddings.requires_grad_())


@pytest.mark.parametrize("missing", ["positives", "negatives", "columns"])
def test_without_triplets_zero_with_a_graph(missing):
    embeddings, pids, is_positive = random_case()
    embeddings.requires_grad_()
    is_negative = pids[:, None] != pids
    negatives = embeddings
    if missing == "positives":
        is_positive = torch.zeros_like(is_positive)
    elif missing == "negatives":
        is_negative = torch.zeros_like(is_negative)
    else:
        negatives, is_negative = embeddings[:0], is_negative[:, :0]
    loss = triplet_loss(form_subgroups(embeddings, is_positive, negatives, is_negative, gradient="full"), margin=9.0)
    loss.backward()
    assert loss == 0
    assert not embeddings.grad.any()
