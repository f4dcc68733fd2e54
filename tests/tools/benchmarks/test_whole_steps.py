from types import SimpleNamespace

import pytest
import torch

from benchmarks.ceilings import count_flops
from benchmarks.whole_steps import KINDS, Subjects, summary, times_in_turn, working_bytes
from places import ROOT

SEQNET = ROOT / "configs/quick_schedules/seqnet_instant_test.yaml"


@pytest.fixture(scope="module")
def subjects():
    return Subjects(SimpleNamespace(device="cpu", people=3, opts=[]))


def test_an_iteration_is_the_trainers_and_changes_no_parameter(subjects, tiny):
    subject = subjects.get(tiny, KINDS[0])
    before = {name: value.clone() for name, value in subject.module.named_parameters()}
    for precision in ("float32", "bf16"):
        subject.training(precision)()
        assert subject.module.training
    assert all(torch.equal(value, before[name]) for name, value in subject.module.named_parameters())
    assert any(value.grad is not None and value.grad.any() for value in subject.module.parameters())
    # Weights and AdamW's two averages of those that learn, at least.
    learning = sum(p.nbytes for p in subject.module.parameters() if p.requires_grad)
    assert subject.state_bytes > 3 * learning
    assert working_bytes(subject, lambda: None) is None


def test_batches_are_as_large_as_asked_for(subjects, tiny):
    subject = subjects.get(tiny, KINDS[0])
    assert [len(subject.frames(n)) for n in (1, 2, 5)] == [1, 2, 5]
    one, three = (count_flops(subject.testing("float32", n)) for n in (1, 3))
    assert 2.5 < three / one < 3.5
    assert not subject.module.training


def test_models_of_one_configuration_are_kept(subjects, tiny):
    first = subjects.get(tiny, KINDS[0])
    assert subjects.get(tiny, KINDS[0]) is first
    assert not subjects.get(tiny, KINDS[1]).module.roi_heads.identity_losses.terms
    subjects.get(SEQNET, KINDS[0])
    assert subjects.get(tiny, KINDS[0]) is not first


def test_a_copy_has_weights_and_an_optimiser_of_its_own(subjects, tiny):
    subject = subjects.get(tiny, KINDS[0])
    other = subject.copied()
    ours, theirs = (set(map(id, x.module.parameters())) for x in (subject, other))
    assert not ours & theirs
    assert {id(p) for group in other.optimizer.param_groups for p in group["params"]} <= theirs


def test_plain_detector_of_two_heads_has_one(subjects):
    plain, sequential = (subjects.get(SEQNET, kind).module.roi_heads for kind in KINDS[::-1])
    assert type(plain).__name__ == "INetRes5ROIHeads"
    assert hasattr(sequential, "reid_res5")


def test_proposals_of_random_weights_lie_in_their_images(subjects):
    module = subjects.get(SEQNET, KINDS[1]).module.eval()
    frames = subjects.get(SEQNET, KINDS[1]).frames(2)
    with torch.no_grad():
        images = module.preprocess_image(frames)
        proposals, _ = module.proposal_generator(images, module.backbone(images.tensor))
    # Of 20 that are asked for; they were fewer than 5 where values had grown from block to block.
    assert min(len(x) for x in proposals) == 20


def test_steps_are_as_many_as_fit():
    ticks = iter(range(10_000))
    # Each call lies between two looks at the clock, one second apart: two steps take two seconds together.
    steps = {"a": lambda: None, "b": lambda: None}
    for limit, count in ((1, 3), (20, 10), (100, 30)):
        times = times_in_turn(steps, lambda: float(next(ticks)), limit=limit)
        assert {name: len(x) for name, x in times.items()} == {"a": count, "b": count}


def test_summary():
    times = {"a": [[0.2], [0.3], [0.4]], "b": [[0.1], [0.1], [0.1]]}
    found = summary(times, "a", "b")
    # Ratios 2, 3 and 4; their quartiles lie half-way between neighbours.
    expected = {"step_ms": 300.0, "ratio": 3.0, "ratio_low": 2.5, "ratio_high": 3.5, "steps": 3}
    assert found == pytest.approx(expected)
