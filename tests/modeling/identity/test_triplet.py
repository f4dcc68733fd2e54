import pytest
import torch
from torch.nn.functional import normalize

from inet_d2.data.pids import BACKGROUND
from inet_d2.modeling.identity.subgroups import Subgroups, form_subgroups
from inet_d2.modeling.identity.triplet import TripletTerm, triplet_loss

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


def test_triplets_by_slow_twin(make_pair_batch):
    batch = make_pair_batch()
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


def test_triplets_with_the_dictionary(make_pair_batch):
    negatives = torch.eye(4)[:2]
    batch = make_pair_batch(negatives=negatives, negative_pids=torch.tensor([BACKGROUND, 3]))
    e = batch.embeddings.detach()
    losses = []
    # Entry 1 is person 3 itself; only the background entry counts.
    for anchor, positives in ((0, (4, 5)), (4, (0,)), (5, (0,))):
        farthest = max(1 - float(e[anchor] @ e[p]) for p in positives)
        losses.append(max(0.0, 0.5 + farthest - (1 - float(e[anchor, 0]))))
    term = TripletTerm(margin=0.5, use_dictionary=True, loss_weight=1.0)
    assert term.needs_dictionary
    assert float(term(batch).detach()) == pytest.approx(sum(losses) / 3, abs=1e-6)
