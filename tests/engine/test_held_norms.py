"""Norms that are held without statistics are told of, those that have some, or that do not learn, are not."""

import logging

import pytest
import torch
from detectron2.modeling import build_model
from torch import nn

from inet_d2.engine import INetTrainer, load_config
from inet_d2.engine.held_norms import has_statistics, held_norms, shortest_names
from inet_d2.engine.run_stopped import RunStoppedError
from inet_d2.engine.train_step import TrainStep
from places import config_path


def test_which_norms_are_held_without_statistics():
    model = nn.ModuleDict({name: nn.BatchNorm1d(2) for name in ("live", "held", "mean", "variance")})
    model["untracked"] = nn.BatchNorm1d(2, track_running_stats=False)
    model["other"] = nn.Dropout()
    for name, module in model.items():
        module.train(name == "live")
    model["mean"].running_mean[1] = 0.1
    model["variance"].running_var[0] = 0.9
    found = held_norms(model)
    assert {name: has_statistics(norm) for name, norm in found.items()} == {
        "held": False, "mean": True, "variance": True,
    }  # fmt: skip
    # As a model for several processes is wrapped.
    assert held_norms(nn.ModuleDict({"module": model})).keys() == found.keys()


def test_names_are_as_short_as_can_be():
    names = ["backbone.res2.norm", "backbone.res3.norm", "heads.reid.a", "heads.reid.b", "heads.box.norm"]
    # All of the backbone; of the heads, "heads" and "heads.reid" would take others along.
    assert shortest_names(names, ["heads.reid.c", "heads.res5.norm"]) == [
        "backbone", "heads.reid.a", "heads.reid.b", "heads.box",
    ]  # fmt: skip
    assert shortest_names(names, []) == ["backbone", "heads"]


def messages(caplog, trainer):
    with caplog.at_level(logging.WARNING):
        trainer.train()
    found = [record.getMessage() for record in caplog.records if "LIVE_BATCH_NORM" in record.getMessage()]
    caplog.clear()
    return found


@pytest.mark.parametrize(
    ("live", "named"),
    [((), "backbone, roi_heads"), (("backbone",), "roi_heads"), (("roi_heads.reid_head",), "backbone")],
)
def test_a_run_tells_of_them_once(run_cfg, caplog, live, named):
    # From random weights, whose backbone has batch norms that nothing has filled either.
    trainer = INetTrainer(run_cfg("pairs", "SOLVER.MAX_ITER", 2, "MODEL.LIVE_BATCH_NORM", live))
    (message,) = messages(caplog, trainer)
    assert f"batch norms in {named}; " in message


def test_nothing_is_told_of_norms_that_do_not_learn(run_cfg, caplog):
    trainer = INetTrainer(run_cfg("pairs", "SOLVER.MAX_ITER", 1, "MODEL.LIVE_BATCH_NORM", ("backbone", "roi_heads")))
    trainer.model.roi_heads.reid_head.idle = nn.BatchNorm1d(2).eval().requires_grad_(False)
    assert messages(caplog, trainer) == []


def test_a_run_that_its_first_iteration_ends_tells_of_them(run_cfg, caplog, monkeypatch):
    def check(*_):
        raise RunStoppedError("not finite")

    monkeypatch.setattr(TrainStep, "_check", check)
    trainer = INetTrainer(run_cfg("pairs", "SOLVER.MAX_ITER", 2))
    with pytest.raises(RunStoppedError):
        trainer.train()
    assert "batch norms in backbone, roi_heads; " in caplog.text


def test_norms_are_live_and_told_of_again_after_a_resume(run_cfg, caplog):
    options = ["MODEL.LIVE_BATCH_NORM", ("roi_heads.reid_head",), "SOLVER.MAX_ITER"]
    first = INetTrainer(run_cfg("pairs", *options, 1))
    messages(caplog, first)
    counts = [int(first.model.roi_heads.reid_head.norm.num_batches_tracked)]
    second = INetTrainer(run_cfg("pairs", *options, 2))
    second.resume_or_load(resume=True)
    norm = second.model.roi_heads.reid_head.norm
    torch.testing.assert_close(norm.running_mean, first.model.roi_heads.reid_head.norm.running_mean)
    (message,) = messages(caplog, second)
    assert "batch norms in backbone; " in message
    counts.append(int(norm.num_batches_tracked))
    assert counts[1] > counts[0] > 0
    assert not has_statistics(second.model.backbone.stack1.conv1_1.norm)


@pytest.mark.parametrize("row", ["nae", "seqnet", "inet_seqnet"])
def test_the_comparison_of_heads_holds_no_norms_that_its_start_lacks(row):
    def norms(name):
        cfg = load_config(config_path(f"demo/heads/{name}.yaml"), ["MODEL.DEVICE", "cpu"])
        return set(held_norms(build_model(cfg).train()))

    # The rescaler is part of the start's head, too, but nothing passes it there, so it does not learn. One fifth stage
    # fills both.
    start = norms("initialized") - {"roi_heads.reid_head.rescaler"}
    assert {name.replace("reid_res5", "res5") for name in norms(row)} <= start
