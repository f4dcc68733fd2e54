"""OLP against hand-worked values, the paper's gradient (Eq. 2-4) and a slow twin."""

import math

import pytest
import torch
from torch.nn.functional import normalize

from inet_d2.modeling.identity.olp import OLPTerm, olp_loss
from inet_d2.modeling.identity.subgroups import form_subgroups


def one_anchor(positive, negatives, scale):
    """The loss of one subgroup whose similarities are given."""

    # A unit vector whose first coordinate is s has similarity s with the first axis.
    def unit(s):
        return torch.tensor([s, math.sqrt(1 - s * s)], dtype=torch.float64)

    embeddings = torch.stack([unit(1.0), unit(positive)])
    rows = torch.stack([unit(s) for s in negatives]) if negatives else torch.zeros(0, 2, dtype=torch.float64)
    is_positive = torch.tensor([[False, True], [False, False]])
    is_negative = torch.ones(2, len(rows), dtype=torch.bool)
    return float(olp_loss(form_subgroups(embeddings, is_positive, rows, is_negative), scale=scale))


def test_value_by_hand():
    # p = 1, negatives 0 and 0.5: -log(e / (e + 1 + e^.5)) = log(1 + e^-1 + e^-.5) = log(1 + .36788 + .60653) = .68026
    assert one_anchor(1.0, [0.0, 0.5], 1.0) == pytest.approx(math.log(1 + math.exp(-1) + math.exp(-0.5)), abs=1e-12)
    assert one_anchor(1.0, [0.0, 0.5], 1.0) == pytest.approx(0.68026, abs=1e-5)
    # scale 10: log(1 + e^-10 + e^-5) = .00676
    assert one_anchor(1.0, [0.0, 0.5], 10.0) == pytest.approx(0.0067607, abs=1e-6)
    assert one_anchor(1.0, [], 1.0) == 0.0


@pytest.mark.parametrize(
    ("scale", "positive", "negative", "expected"),
    # Values of a full dictionary (k = 5120): log(1 + 5120 e^{scale (negative - positive)}).
    [
        (1, 1.0, -1.0, 6.542),
        (1, 1.0, 0.0, 7.541),
        (1, 0.5, 0.5, 8.541),
        (1, 0.7, 0.3, 8.141),
        (5, 0.7, 0.0, 5.047),
        (10, 1.0, 0.0, 0.209),
        (10, 0.7, 0.3, 4.552),
        (16, 0.7, 0.3, 2.252),
        (30, 0.7, 0.3, 0.031),
    ],
)
def test_values_with_a_full_dictionary(scale, positive, negative, expected):
    assert one_anchor(positive, [negative] * 5120, scale) == pytest.approx(expected, abs=6e-4)


def random_case(seed=0):
    generator = torch.Generator().manual_seed(seed)
    embeddings = normalize(torch.randn(6, 5, generator=generator, dtype=torch.float64))
    negatives = normalize(torch.randn(9, 5, generator=generator, dtype=torch.float64))
    pids = torch.tensor([3, 3, 7, 3, 7, -1])
    images = torch.tensor([0, 0, 0, 1, 1, 1])
    is_positive = (pids[:, None] == pids) & (pids >= 0) & (images[:, None] != images)
    is_negative = pids[:, None] != torch.tensor([3, 3, 7, -1, -2, 1, 1, 5, 7])
    return embeddings, is_positive, negatives, is_negative


@pytest.mark.parametrize("scale", [1.0, 10.0])
def test_equals_slow_twin(scale):
    embeddings, is_positive, negatives, is_negative = random_case()
    losses = []
    for anchor, positive in is_positive.nonzero().tolist():
        s_positive = math.exp(scale * float(embeddings[anchor] @ embeddings[positive]))
        s_negatives = [
            math.exp(scale * float(embeddings[anchor] @ negatives[j])) for j in range(9) if is_negative[anchor, j]
        ]
        losses.append(-math.log(s_positive / (s_positive + sum(s_negatives))))
    # ids 3 (2 x 1) and 7 (1 x 1) in both directions: 4 + 2 subgroups
    assert len(losses) == 6
    subgroups = form_subgroups(embeddings, is_positive, negatives, is_negative)
    assert float(olp_loss(subgroups, scale=scale)) == pytest.approx(sum(losses) / 6, abs=1e-12)


@pytest.mark.parametrize("scale", [1.0, 10.0])
def test_gradient_is_equation_2_over_m(scale):
    embeddings, is_positive, negatives, is_negative = random_case()
    embeddings.requires_grad_()
    negatives.requires_grad_()
    olp_loss(form_subgroups(embeddings, is_positive, negatives, is_negative), scale=scale).backward()

    expected = torch.zeros_like(embeddings)
    subgroups = is_positive.nonzero().tolist()
    with torch.no_grad():
        for anchor, positive in subgroups:
            rows = torch.cat([embeddings[positive][None], negatives[is_negative[anchor]]])
            q = torch.softmax(scale * rows @ embeddings[anchor], dim=0)
            # Eq. 2: (q - 1) P + sum_l q_l N_l, times the scale, over m subgroups
            expected[anchor] += scale * ((q[0] - 1) * rows[0] + q[1:] @ rows[1:]) / len(subgroups)
    torch.testing.assert_close(embeddings.grad, expected, rtol=0, atol=1e-14)
    assert negatives.grad is None
    # Region 5 is an unlabelled person: no anchor, no gradient.
    assert not embeddings.grad[5].any()


def test_full_gradient_passes_gradcheck_and_reaches_all():
    embeddings, is_positive, negatives, is_negative = random_case()
    embeddings.requires_grad_()
    negatives.requires_grad_()

    def loss(e, n):
        return olp_loss(form_subgroups(e, is_positive, n, is_negative, gradient="full"), scale=5.0)

    assert torch.autograd.gradcheck(loss, (embeddings, negatives))


@pytest.mark.parametrize("gradient", ["anchor", "full"])
def test_no_subgroup_gives_zero_with_a_graph(gradient):
    embeddings = torch.randn(4, 3, requires_grad=True)
    nothing = torch.zeros(4, 4, dtype=torch.bool)
    loss = olp_loss(
        form_subgroups(embeddings, nothing, torch.zeros(0, 3), torch.zeros(4, 0, dtype=torch.bool), gradient=gradient)
    )
    loss.backward()
    assert loss == 0
    assert not embeddings.grad.any()


def test_an_anchor_without_negatives_gives_zero_and_finite_gradients():
    embeddings, is_positive, negatives, is_negative = random_case()
    embeddings.requires_grad_()
    loss = olp_loss(form_subgroups(embeddings, is_positive, negatives, torch.zeros_like(is_negative)), scale=1.0)
    loss.backward()
    assert loss == 0
    assert not embeddings.grad.any()


def test_large_scale_does_not_overflow():
    # float32 e^(1000) is inf; log(1 + e^(1000 (0.5 - 0.1))) = 400
    assert one_anchor(0.1, [0.5], 1000.0) == pytest.approx(400.0, rel=1e-6)


def test_unknown_gradient_rule_is_refused():
    embeddings, is_positive, negatives, is_negative = random_case()
    with pytest.raises(ValueError, match='form_subgroups: gradient: expected "anchor" or "full", found "both"'):
        form_subgroups(embeddings, is_positive, negatives, is_negative, gradient="both")
    with pytest.raises(ValueError, match=r'OLP\.GRADIENT: expected "anchor" or "full", found "both"'):
        OLPTerm(scale=1.0, gradient="both", loss_weight=1.0)


@pytest.mark.parametrize("gradient", ["anchor", "full"])
def test_the_term_decides_who_learns(make_pair_batch, gradient):
    negatives = torch.eye(4)[:3].requires_grad_()
    batch = make_pair_batch(negatives=negatives, negative_pids=torch.tensor([3, 5, -2]))
    OLPTerm(scale=2.0, gradient=gradient, loss_weight=1.0)(batch).backward()
    # Entry 0 is person 3 itself, the only anchor; regions 0, 4 and 5 are anchors and each other's positives.
    assert batch.embeddings.grad.any(dim=1).nonzero().flatten().tolist() == [0, 4, 5]
    if gradient == "anchor":
        assert negatives.grad is None
    else:
        assert negatives.grad.any(dim=1).tolist() == [False, True, True]
