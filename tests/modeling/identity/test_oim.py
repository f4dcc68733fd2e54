"""OIM against hand-worked values, the paper's gradient, and slow twins; its state: when it changes, what it keeps."""

import math

import pytest
import torch
from torch.nn.functional import normalize

from inet_d2.data.pids import BACKGROUND, IGNORED, UNLABELLED
from inet_d2.modeling.identity.batch import IdentityBatch
from inet_d2.modeling.identity.oim import OIMTerm, momentum_update, oim_loss, stepwise_update

PIDS = torch.tensor([2, UNLABELLED, 0, BACKGROUND, 2, IGNORED])


def random_case(num_identities=5, queue_size=3):
    generator = torch.Generator().manual_seed(0)

    def unit(rows):
        return normalize(torch.randn(rows, 4, generator=generator, dtype=torch.float64))

    return unit(len(PIDS)), unit(num_identities), unit(queue_size)


def test_value_by_hand():
    table = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    queue = torch.tensor([[0.6, 0.8]])
    # x = (.8, .6), identity 0: cosines .8, .6 and .6 * .8 + .8 * .6 = .96; times 10: 8, 6, 9.6
    # -log(e^8 / (e^8 + e^6 + e^9.6)) = log(1 + e^-2 + e^1.6) = log(1 + .13534 + 4.95303) = 1.80638
    loss = oim_loss(torch.tensor([[0.8, 0.6]]), torch.tensor([0]), table, queue, scale=10.0)
    assert float(loss) == pytest.approx(1.80638, abs=1e-5)
    # Without the queue: log(1 + e^-2) = .12693
    loss = oim_loss(torch.tensor([[0.8, 0.6]]), torch.tensor([0]), table, queue[:0], scale=10.0)
    assert float(loss) == pytest.approx(0.12693, abs=1e-5)


@pytest.mark.parametrize("queue_size", [0, 3])
def test_equals_slow_twin_and_the_papers_gradient(queue_size):
    embeddings, table, queue = random_case(queue_size=queue_size)
    embeddings.requires_grad_()
    loss = oim_loss(embeddings, PIDS, table, queue, scale=7.0)
    loss.backward()
    rows = torch.cat([table, queue])
    total, gradient = 0.0, torch.zeros_like(embeddings)
    for i in (0, 2, 4):
        x, t = embeddings.detach()[i], int(PIDS[i])
        terms = [math.exp(7 * float(v @ x)) for v in rows]
        p = torch.tensor(terms, dtype=torch.float64) / sum(terms)
        total -= math.log(p[t]) / 3
        # dL/dx = -scale [(1 - p_t) v_t - sum_{j != t} p_j v_j - sum_k q_k u_k], here of a mean over three
        others = p.clone()
        others[t] = 0
        gradient[i] = -7 * ((1 - p[t]) * rows[t] - others @ rows) / 3
    assert float(loss.detach()) == pytest.approx(total, abs=1e-12)
    torch.testing.assert_close(embeddings.grad, gradient, rtol=0, atol=1e-12)


def test_gradcheck():
    embeddings, table, queue = random_case()
    table[1] = 0
    assert torch.autograd.gradcheck(lambda e: oim_loss(e, PIDS, table, queue, scale=5.0), embeddings.requires_grad_())


@pytest.mark.parametrize("pids", [[UNLABELLED, BACKGROUND], [IGNORED, IGNORED], []])
def test_nobody_labelled_gives_zero_with_a_graph(pids):
    embeddings = torch.randn(len(pids), 4, requires_grad=True)
    loss = oim_loss(embeddings, torch.tensor(pids, dtype=torch.int64), torch.ones(3, 4), torch.ones(2, 4), scale=10.0)
    loss.backward()
    assert loss == 0
    assert not embeddings.grad.any()


def test_unseen_identities_take_no_part():
    embeddings, table, queue = random_case()
    seen = table.clone()
    seen[[1, 3, 4]] = 0
    # The table with only identities 0 and 2 known, whose numbers are 0 and 1 in the short one.
    short = oim_loss(embeddings, torch.tensor([1, -1, 0, -2, 1, -3]), table[[0, 2]], queue, scale=5.0)
    torch.testing.assert_close(oim_loss(embeddings, PIDS, seen, queue, scale=5.0), short)


def test_a_first_sight_is_pushed_away_from_the_others():
    # Own row zero: its similarity is 0; one other identity at cosine 1, scale 2: log(1 + e^2) = 2.12693
    table = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 0.0]])
    x = torch.tensor([[1.0, 0.0]], requires_grad=True)
    loss = oim_loss(x, torch.tensor([0]), table, table[:0], scale=2.0)
    loss.backward()
    assert float(loss.detach()) == pytest.approx(2.12693, abs=1e-5)
    assert x.grad[0, 0] > 0
    # An empty table: nothing to compare with.
    assert oim_loss(x, torch.tensor([0]), torch.zeros(3, 2), table[:0], scale=2.0) == 0


def test_changing_the_tables_later_does_not_disturb_the_backward_pass():
    embeddings, table, queue = random_case()
    gradients = []
    for disturb in (False, True):
        x = embeddings.clone().requires_grad_()
        t, q = table.clone(), queue.clone()
        loss = oim_loss(x, PIDS, t, q, scale=5.0)
        if disturb:
            t.zero_()
            q.zero_()
        loss.backward()
        gradients.append(x.grad)
    assert torch.equal(*gradients)


def test_update_by_hand():
    table = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    # .5 (1, 0) + .5 (0, 1) = (.5, .5), then .5 (.5, .5) + .5 (0, 1) = (.25, .75), length sqrt(.625) = .790569
    identities, rows = momentum_update(
        table, torch.tensor([[0.0, 1.0], [1.0, 0.0], [0.0, 1.0]]), torch.tensor([0, -1, 0]), momentum=0.5
    )
    assert identities.tolist() == [0]
    torch.testing.assert_close(rows, torch.tensor([[0.25, 0.75]]) / math.sqrt(0.625))
    assert table.tolist() == [[1, 0], [0, 1]]


@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.9])
def test_update_equals_one_step_per_region(momentum):
    embeddings, table, _ = random_case()
    table[2] = 0
    identities, rows = momentum_update(table, embeddings, PIDS, momentum=momentum)
    twin = table.clone()
    for x, pid in zip(embeddings, PIDS.tolist(), strict=True):
        if pid >= 0:
            twin[pid] = momentum * twin[pid] + (1 - momentum) * x
    assert identities.tolist() == [0, 2]
    torch.testing.assert_close(rows, normalize(twin[[0, 2]]), rtol=0, atol=1e-12)


def test_update_with_nobody():
    identities, rows = momentum_update(torch.ones(3, 4), torch.ones(2, 4), torch.tensor([-1, -2]), momentum=0.5)
    assert identities.tolist() == []
    assert rows.shape == (0, 4)


def build(**options):
    arguments = {"num_pids": 6, "embed_dim": 4, "queue_size": 5, "momentum": 0.5, "scale": 10.0}
    return OIMTerm(**{**arguments, "use_unlabelled": True, "loss_weight": 1.0, **options})


def make_batch(pids, images=None, seed=0):
    generator = torch.Generator().manual_seed(seed)
    embeddings = normalize(torch.randn(len(pids), 4, generator=generator)).requires_grad_()
    pids = torch.tensor(pids)
    images = torch.zeros_like(pids) if images is None else torch.tensor(images)
    return IdentityBatch(embeddings, pids, images, is_person=pids >= UNLABELLED)


def test_all_images_have_their_loss_before_the_state_changes():
    term = build()
    term.update(make_batch([3, 1, UNLABELLED], seed=1))
    before = {name: x.clone() for name, x in term.state_dict().items()}
    batch = make_batch([3, UNLABELLED, 3, 1], [0, 0, 1, 1])
    # The loss of both images together is that of each image against the same state.
    loss = term(batch)
    assert all(torch.equal(x, before[name]) for name, x in term.state_dict().items())
    e, table, queue = batch.embeddings, before["lookup_table"], before["queue.embeddings"][:1]
    parts = [oim_loss(e[rows], batch.pids[rows], table, queue, scale=10.0) for rows in ([0, 1], [2, 3])]
    torch.testing.assert_close(loss, (parts[0] + 2 * parts[1]) / 3)
    term.update(batch)
    assert not torch.equal(term.lookup_table, before["lookup_table"])
    assert int(term.queue.fill) == 2
    # The loss was computed before; changing the state does not disturb its gradient.
    loss.backward()
    (expected,) = torch.autograd.grad(oim_loss(e, batch.pids, table, queue, scale=10.0), e)
    torch.testing.assert_close(e.grad, expected)


def test_a_row_is_the_momentum_average_at_unit_length_in_all_dimensions():
    term = build(momentum=0.75)
    first, second = make_batch([2], seed=1), make_batch([2], seed=2)
    term.update(first)
    torch.testing.assert_close(term.lookup_table[2], first.embeddings[0].detach())
    term.update(second)
    expected = normalize(0.75 * first.embeddings + 0.25 * second.embeddings)[0].detach()
    torch.testing.assert_close(term.lookup_table[2], expected)
    assert term.lookup_table.any(dim=1).nonzero().tolist() == [[2]]
    assert (term.lookup_table[2] != 0).all()


def test_background_and_ignored_regions_leave_no_trace():
    term = build()
    term.update(make_batch([BACKGROUND, IGNORED]))
    assert not term.lookup_table.any()
    assert int(term.queue.fill) == 0


def test_the_queue_wraps_around():
    term = build(queue_size=3)
    batches = [make_batch([UNLABELLED, UNLABELLED], seed=seed) for seed in range(2)]
    for batch in batches:
        term.update(batch)
    # 4 entries through 3 places: the fourth lies where the first was.
    kept = torch.stack([batches[1].embeddings[1], batches[0].embeddings[1], batches[1].embeddings[0]]).detach()
    assert torch.equal(term.queue.contents()[0], kept)
    assert (int(term.queue.pointer), int(term.queue.fill)) == (1, 3)


def test_unlabelled_people_can_be_left_out():
    people = make_batch([1, UNLABELLED, 2], seed=1)
    with_queue, without = build(), build(use_unlabelled=False)
    for term in (with_queue, without):
        term.update(people)
    assert int(without.queue.fill) == 0
    again = make_batch([1, 2], seed=2)
    assert with_queue(again) > without(again)
    expected = oim_loss(again.embeddings, again.pids, without.lookup_table, torch.zeros(0, 4), scale=10.0)
    torch.testing.assert_close(without(again), expected)


def test_a_batch_without_a_labelled_person_gives_zero():
    term, batch = build(), make_batch([UNLABELLED, BACKGROUND])
    loss = term(batch)
    loss.backward()
    assert loss == 0
    assert not batch.embeddings.grad.any()
    term.update(batch)
    assert int(term.queue.fill) == 1


def test_resume_goes_on_exactly():
    first = build(queue_size=3)
    for seed in range(2):
        first.update(make_batch([1, UNLABELLED, UNLABELLED, 4], seed=seed))
    second = build(queue_size=3)
    second.load_state_dict(first.state_dict())
    batch = make_batch([1, 4, UNLABELLED], seed=7)
    assert torch.equal(first(batch), second(batch))
    for term in (first, second):
        term.update(batch)
    for a, b in zip(first.state_dict().values(), second.state_dict().values(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("momentum", [-0.1, 1.0])
def test_momentum_out_of_range_is_refused(momentum):
    with pytest.raises(ValueError, match=rf"OIM\.MOMENTUM: expected a number in \[0, 1\), found {momentum}"):
        build(momentum=momentum)


def test_rows_of_zeros_count_where_asked():
    table, queue = torch.tensor([[1.0, 0.0], [0.0, 0.0]]), torch.zeros(2, 2)
    # x = (.6, .8): cosines .6, 0, 0, 0; times 10: 6. -log(e^6 / (e^6 + 3)) = log(1 + 3 e^-6) = .0074088
    options = {"scale": 10.0, "count_empty": True}
    loss = oim_loss(torch.tensor([[0.6, 0.8]]), torch.tensor([0]), table, queue, **options)
    assert float(loss) == pytest.approx(0.0074088, abs=1e-6)
    # Left out, nobody is left to be taken for.
    assert float(oim_loss(torch.tensor([[0.6, 0.8]]), torch.tensor([0]), table, queue, scale=10.0)) == 0


def test_stepwise_update_equals_a_loop_over_regions():
    embeddings, table, _ = random_case()
    pids = torch.tensor([2, 0, 2, BACKGROUND, 2, 0])
    expected = table.clone()
    for x, pid in zip(embeddings, pids.tolist(), strict=True):
        if pid >= 0:
            row = 0.5 * expected[pid] + 0.5 * x
            expected[pid] = row / row.norm()
    identities, rows = stepwise_update(table, embeddings, pids, momentum=0.5)
    assert identities.tolist() == [0, 2]
    torch.testing.assert_close(rows, expected[[0, 2]], rtol=0, atol=1e-12)
    # With one region of a person there is no difference; with three there is.
    together = dict(zip([0, 2], momentum_update(table, embeddings, pids, momentum=0.5)[1], strict=True))
    assert (together[2] - rows[1]).abs().max() > 1e-6
    assert len(stepwise_update(table, embeddings, torch.full((6,), BACKGROUND), momentum=0.5)[0]) == 0


def test_the_published_variant_is_a_key():
    term = OIMTerm(
        num_pids=2,
        embed_dim=2,
        queue_size=2,
        momentum=0.5,
        scale=10.0,
        use_unlabelled=True,
        loss_weight=1.0,
        as_published=True,
    )
    x = torch.tensor([[0.6, 0.8], [0.8, 0.6]])
    batch = IdentityBatch(x, torch.tensor([0, 0]), torch.tensor([0, 1]), torch.tensor([True, True]))
    # Nothing is filled: four similarities of 0, so log 4.
    assert float(term(batch)) == pytest.approx(math.log(4))
    term.update(batch)
    # (.3, .4) becomes (.6, .8); then (.3 + .4, .4 + .3) = (.7, .7) becomes (.7071, .7071).
    assert term.lookup_table[0].tolist() == pytest.approx([0.70711, 0.70711], abs=1e-5)
