import math

import pytest
import torch

from inet_d2.data.pids import BACKGROUND, UNLABELLED
from inet_d2.modeling.identity.classifier import IdentityClassifier, class_of_pid, identity_cross_entropy


def test_loss_by_hand():
    logits = torch.tensor([[math.log(3.0), 0.0], [0.0, math.log(4.0)], [0.0, 0.0]], dtype=torch.float64)
    targets = torch.tensor([0, 0, 1])
    is_person = torch.tensor([True, True, False])
    # losses: -log(3/4) = .28768, -log(1/5) = 1.60944, -log(1/2) = .69315
    plain = (0.287682 + 1.609438 + 0.693147) / 3
    assert float(identity_cross_entropy(logits, targets, is_person)) == pytest.approx(plain, abs=1e-6)
    # 0.8 x mean of the two people + 0.2 x background
    balanced = 0.8 * (0.287682 + 1.609438) / 2 + 0.2 * 0.693147
    loss = identity_cross_entropy(logits, targets, is_person, person_share=0.8)
    assert float(loss) == pytest.approx(balanced, abs=1e-6)


@pytest.mark.parametrize("is_person", [[True, True], [False, False]])
def test_balance_with_one_group_missing(is_person):
    logits = torch.zeros(2, 4, requires_grad=True)
    loss = identity_cross_entropy(logits, torch.tensor([0, 1]), torch.tensor(is_person), person_share=0.75)
    loss.backward()
    assert float(loss) == pytest.approx((0.75 if is_person[0] else 0.25) * math.log(4))
    assert torch.isfinite(logits.grad).all()


def test_no_sample_gives_zero_with_a_graph():
    classifier = IdentityClassifier(embed_dim=4, num_classes=3)
    loss = identity_cross_entropy(
        classifier(torch.zeros(0, 4)), torch.zeros(0, dtype=torch.int64), torch.zeros(0, dtype=torch.bool)
    )
    loss.backward()
    assert loss == 0
    assert not classifier.weight.grad.any()


@pytest.mark.parametrize("cosine", [False, True])
def test_columns_equal_the_full_softmax_restricted_to_the_pool(cosine):
    torch.manual_seed(0)
    classifier = IdentityClassifier(embed_dim=8, num_classes=50, cosine=cosine, scale=7.0).double()
    torch.nn.init.normal_(classifier.weight)
    embeddings = torch.randn(6, 8, dtype=torch.float64)
    pool = torch.tensor([41, 3, 17, 49])
    columns = torch.tensor([0, 3, 2, 1, 1, 0])
    loss = identity_cross_entropy(classifier(embeddings, pool), columns, torch.ones(6, dtype=torch.bool))
    loss.backward()
    gradient = classifier.weight.grad.clone()

    classifier.zero_grad()
    full = classifier(embeddings)
    outside = torch.ones(50, dtype=torch.bool)
    outside[pool] = False
    log_probability = full.masked_fill(outside, -torch.inf).log_softmax(dim=1)
    expected = -log_probability[torch.arange(6), pool[columns]].mean()
    expected.backward()
    torch.testing.assert_close(loss, expected, rtol=0, atol=1e-12)
    torch.testing.assert_close(gradient, classifier.weight.grad, rtol=0, atol=1e-12)
    # Columns outside the pool are not touched.
    assert not gradient[outside].any()


def test_cosine_logits_ignore_the_length_of_class_weights():
    classifier = IdentityClassifier(embed_dim=3, num_classes=2, cosine=True, scale=10.0)
    with torch.no_grad():
        classifier.weight.copy_(torch.tensor([[2.0, 0.0, 0.0], [0.0, 3.0, 4.0]]))
    # unit weights (1,0,0) and (0,.6,.8); embedding (0,1,0): cosines 0 and .6
    torch.testing.assert_close(classifier(torch.tensor([[0.0, 1.0, 0.0]])), torch.tensor([[0.0, 6.0]]))


@pytest.mark.parametrize(("pid", "expected"), [(0, 0), (9, 9), (UNLABELLED, -1), (BACKGROUND, 10)])
def test_class_of_pid(pid, expected):
    assert class_of_pid(torch.tensor([pid]), background_class=10).tolist() == [expected]
