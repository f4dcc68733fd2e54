import warnings
from collections import Counter
from types import SimpleNamespace

import torch

from benchmarks.steps import step_of
from benchmarks.waits import count_waits, of_identity
from benchmarks.whole_steps import KINDS, Subjects


def test_operations_that_wait_are_counted_once_each():
    x = torch.arange(6.0)
    mask = x > 2

    def step():
        x[mask]
        x[mask] = torch.ones(3)
        float(x[0])
        x.nonzero()
        x.unique()
        if x.any():
            pass
        torch.arange(3).repeat_interleave(torch.tensor([1, 2, 3]))

    found = count_waits(step, "cpu")
    assert found.total() == 7
    assert all(line.endswith(" step") for line in found)


def test_operations_that_do_not_wait_are_not_counted():
    x, rows = torch.arange(6.0), torch.tensor([1, 4])

    def step():
        x[rows] = x[rows] + 1
        torch.where(x > 2, x, 0.0).sum().clamp(min=1)
        x.sort()
        x.argmax()
        torch.arange(3).repeat_interleave(torch.tensor([1, 2, 3]), output_size=6)

    assert count_waits(step, "cpu") == {}


def test_lines_are_those_of_the_package(options):
    found = {name: count_waits(step_of(name, options), "cpu") for name in ("Faster R-CNN", "I-Net")}
    assert of_identity(found["Faster R-CNN"]) == 0
    assert of_identity(found["I-Net"]) > 0
    assert any(line.startswith("detectron2/") and line.endswith(" _draw") for line in found["Faster R-CNN"])


def test_the_identity_branch_waits_for_five_sizes(tiny):
    subject = Subjects(SimpleNamespace(device="cpu", people=3, opts=[])).get(tiny, KINDS[0])
    step = subject.training("float32")
    for _ in range(2):
        step()  # the first one has statistics
    found = count_waits(step, "cpu")
    # docs/benchmarks.md has them: backgrounds, what is stored, anchors, regions with a class, own classes.
    lines = sorted(line.split(" ")[1] for line in found if of_identity(Counter([line])))
    assert lines == ["_choose_entries", "_choose_entries", "form_subgroups", "forward", "priority_pool"]
    assert of_identity(found) == 5


def test_what_pytorch_reports_of_a_gpu_is_counted_by_line(monkeypatch):
    modes = []
    monkeypatch.setattr(torch.cuda, "set_sync_debug_mode", modes.append)

    def step():
        warnings.warn("Synchronization debug mode is a prototype feature", stacklevel=1)
        for _ in range(2):
            warnings.warn("called a synchronizing CUDA operation (Triggered internally at ...)", stacklevel=1)

    before = warnings.showwarning
    found = count_waits(step, "cuda")
    assert modes == ["warn", "default"]
    assert warnings.showwarning is before
    assert list(found.values()) == [2]
    assert next(iter(found)).endswith(" step")


def test_lines_of_the_identity_branch_are_told_from_others():
    lines = {
        "inet_d2/modeling/identity/hep.py:1 f": 2,
        "inet_d2/modeling/roi_heads/region_pids.py:9 g": 3,
        "inet_d2/modeling/roi_heads/identity_branch.py:9 g": 5,
        "detectron2/modeling/sampling.py:7 h": 11,
    }
    # 2 + 3 + 5: identity_branch.py waits for the identity losses alone.
    assert of_identity(Counter(lines)) == 10
