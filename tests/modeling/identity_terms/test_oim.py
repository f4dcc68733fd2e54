"""OIM's state: when it changes, what it keeps, and that it goes on from a checkpoint."""

import pytest
import torch
from torch.nn.functional import normalize

from inet_d2.data.pids import BACKGROUND, IGNORED, UNLABELLED
from inet_d2.modeling.identity_batch import IdentityBatch
from inet_d2.modeling.identity_terms import OIMTerm
from inet_d2.modeling.losses.oim import oim_loss


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
    with pytest.raises(ValueError, match=rf"OIM\.MOMENTUM: expected a number in \[0, 1\), got {momentum}"):
        build(momentum=momentum)
