import json
import re
from types import SimpleNamespace

import pytest
import torch
from detectron2.utils.events import EventStorage

from inet_d2.data.pids import UNLABELLED
from places import ROOT

TINY = ROOT / "configs/quick_schedules/inet_instant_test.yaml"


@pytest.fixture(scope="module")
def module(tool):
    return tool("benchmark_train")


@pytest.fixture(scope="module")
def options():
    # Not every torch can clip sparse gradients.
    opts = ["SOLVER.CLIP_GRADIENTS.ENABLED", "False"]
    return SimpleNamespace(config_file=TINY, opts=opts, people=3, clock="wall", repetitions=2, identities=[20, 40])


def test_steps_are_taken_in_turn(module):
    order = []
    steps = {name: lambda name=name: order.append(name) or [float(len(order))] for name in ("a", "b")}
    times = module.in_turn(steps, 2)
    # Three rounds to warm up, of which nothing is kept, then two; the first of a round is the second of the next.
    assert order == ["b", "a", "a", "b", "b", "a", "a", "b", "b", "a"]
    assert times == {"a": [[7.0], [10.0]], "b": [[8.0], [9.0]]}


def test_ratio_is_that_of_steps_of_one_repetition(module):
    # 3 / 2, 4 / 4 and 5 / 2; the quartiles of 1, 1.5, 2.5 lie half-way between neighbours.
    assert module.ratio([[1, 2], [3, 1], [2, 3]], [[1, 1], [2, 2], [1, 1]]) == (1.5, 1.25, 2.0)
    assert module.ratio([[3.0]], [[2.0]]) == (1.5, 1.5, 1.5)


def test_table_of_times(module):
    times = {"a": [[0.001, 0.002, 0.003]], "b": [[0.004, 0.004, 0.001]]}
    lines = module.time_table(times, "a").splitlines()
    assert lines[0] == "| step | forward ms | backward ms | optimiser ms | together ms | ratio (quartiles) |"
    assert lines[3] == "| b | 4.00 | 4.00 | 1.00 | 9.00 | 1.500 (1.500 to 1.500) |"


def test_pair_of_frames(module):
    cfg = module.configuration(TINY, [])
    first, second = (frame["instances"] for frame in module.make_pair(cfg, 4))
    assert first.image_size == (120, 160)
    assert first.gt_pids.tolist() == second.gt_pids.tolist()
    assert first.gt_pids[3] == UNLABELLED
    assert len(set(first.gt_pids.tolist())) == 4
    boxes = torch.cat([first.gt_boxes.tensor, second.gt_boxes.tensor])
    assert boxes.min() >= 0
    assert (boxes[:, 2:] <= torch.tensor([160, 120])).all()
    assert (boxes[:, 2:] > boxes[:, :2]).all()


def test_detector_has_no_identity_losses_and_the_same_rois(module, options):
    pooled, losses = {}, {}
    for name in ("Faster R-CNN", "I-Net"):
        step = module.step_of(name, options)
        before = {key: value.clone() for key, value in step.module.named_parameters()}
        torch.manual_seed(5)
        step()
        assert all(torch.equal(value, before[key]) for key, value in step.module.named_parameters())
        hook = step.module.roi_heads.box_pooler.register_forward_pre_hook(
            lambda _, arguments, name=name: pooled.__setitem__(name, torch.cat([b.tensor for b in arguments[1]]))
        )
        torch.manual_seed(6)
        with EventStorage():
            losses[name] = set(step.module(step.frames))
        hook.remove()
    assert len(pooled["I-Net"]) == 2 * 16
    assert torch.equal(pooled["I-Net"], pooled["Faster R-CNN"])
    assert losses["I-Net"] - losses["Faster R-CNN"] == {"loss_olp", "loss_hep"}


@pytest.mark.parametrize(("name", "sparse"), [("HEP 30", True), ("HEP 30 dense", False)])
def test_step_of_hep_alone(module, options, name, sparse):
    step = module.step_of(name, options)
    assert set(step.module.terms) == {"hep"}
    assert step.module.classifier.weight.shape[0] == 31
    assert step.module.classifier.sparse_gradient is sparse
    assert len(step.module.dictionary) == step.module.dictionary.size
    before = step.module.classifier.weight.clone()
    parts = step()
    assert len(parts) == 3
    assert min(parts) >= 0
    assert not torch.equal(step.module.classifier.weight, before)


def test_times_are_printed_for_every_step(module, options, capsys):
    module.measure_time(options)
    shown = capsys.readouterr().out
    assert "two frames of 160 x 120" in shown
    for name in ("Faster R-CNN", "I-Net", "HEP 20", "HEP 40", "HEP 20 dense", "HEP 40 dense"):
        assert re.search(rf"^\| {name} \| [\d.]+ \| .* \| \d\.\d{{3}} \([\d.]+ to [\d.]+\) \|$", shown, re.M), name


def test_memory_of_a_step(module, options):
    memory = module.memory_of("HEP 5000", options)
    # 5,001 rows of 16 numbers, the same again twice for AdamW's averages; and the dictionary.
    rows = 5001 * 16 * 4 / 2**20
    assert memory["weights"] == pytest.approx(rows, rel=0.1)
    assert memory["optimiser"] == pytest.approx(2 * rows, rel=0.1)
    assert memory["together"] == pytest.approx(memory["weights"] + memory["optimiser"] + memory["working"])


def test_memory_table(module, options, monkeypatch, capsys):
    asked = []

    def child(command, env):
        name = command[command.index("--of") + 1]
        asked.append(name)
        return json.dumps(
            {"weights": 1, "optimiser": 2, "working": 3 * len(asked), "together": 6 * len(asked)}
        ).encode()

    monkeypatch.setattr(module.subprocess, "check_output", child)
    module.measure_memory(options)
    assert asked == ["Faster R-CNN", "I-Net", "HEP 20", "HEP 40"]
    lines = capsys.readouterr().out.splitlines()
    assert lines[4] == "| I-Net | 1 | 2 | 6 | 12 | 2.000 | 2.000 |"
    assert lines[6] == "| HEP 40 | 1 | 2 | 12 | 24 | 1.333 | 1.333 |"


def test_the_child_prints_its_memory(module, capsys):
    assert module.main(["--of", "HEP 20", "--config-file", str(TINY), "SOLVER.CLIP_GRADIENTS.ENABLED", "False"]) == 0
    assert set(json.loads(capsys.readouterr().out)) == {"weights", "optimiser", "working", "together"}


def test_benchmark_hands_on_to_this_script(tool, monkeypatch):
    benchmark, calls = tool("benchmark"), []
    monkeypatch.setattr(benchmark.subprocess, "run", lambda words: calls.append(words) or SimpleNamespace(returncode=3))
    assert benchmark.main(["--task", "memory", "--people", "4", "SEED", "1"]) == 3
    assert calls[0][1:] == [ROOT / "tools/benchmark_train.py", "--task", "memory", "--people", "4", "SEED", "1"]


def test_score_still_refuses_what_it_does_not_know(tool, capsys):
    with pytest.raises(SystemExit):
        tool("benchmark").main(["--task", "score", "--people", "4"])
    assert "unrecognized arguments: --people 4" in capsys.readouterr().err


def test_errors_of_the_user(module, capsys):
    assert module.main(["--config-file", "nowhere.yaml"]) == 2
    assert "benchmark: nowhere.yaml: cannot read this configuration file" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        module.main(["--people", "1"])
    assert "expected --repetitions >= 1 and --people >= 2, found 30 and 1" in capsys.readouterr().err
