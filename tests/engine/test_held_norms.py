"""Norms that are held without statistics are told of, those that have some are not."""

import logging

import pytest
from torch import nn

from inet_d2.engine import INetTrainer
from inet_d2.engine.held_norms import empty_held_norms


def test_which_norms_are_empty():
    model = nn.ModuleDict({name: nn.BatchNorm1d(2) for name in ("live", "held", "mean", "variance")})
    model["untracked"] = nn.BatchNorm1d(2, track_running_stats=False)
    model["other"] = nn.Dropout()
    for name, module in model.items():
        module.train(name == "live")
    model["mean"].running_mean[1] = 0.1
    model["variance"].running_var[0] = 0.9
    assert empty_held_norms(model) == ["held"]


@pytest.mark.parametrize("live", [[], ["MODEL.LIVE_BATCH_NORM", '("roi_heads.reid_head",)']])
def test_a_run_tells_of_them(run_cfg, caplog, live):
    # From random weights, whose backbone has batch norms that nothing has filled either.
    trainer = INetTrainer(run_cfg("pairs", "SOLVER.MAX_ITER", 1, *live))
    with caplog.at_level(logging.WARNING):
        trainer.train()
    (message,) = [record.getMessage() for record in caplog.records if "LIVE_BATCH_NORM" in record.getMessage()]
    assert "backbone.stack1.conv1_1" in message
    assert ("roi_heads.reid_head.norm" in message) is not bool(live)
