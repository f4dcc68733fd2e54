import pytest
import torch
from detectron2.config import get_cfg
from detectron2.solver import build_lr_scheduler, build_optimizer, get_default_optimizer_params
from torch import nn

MULTI_STEP = {0: 0.002, 1: 0.0038, 9: 0.0182, 10: 0.02, 59: 0.02, 60: 0.002, 79: 0.002, 80: 0.0002}
COSINE = {0: 0.002, 1: 0.0037510565, 5: 0.0107552826, 10: 0.0195105652, 60: 0.0069098301, 99: 4.934396e-06}
SCHEDULES = [
    ([], MULTI_STEP),
    (["WARMUP_METHOD", "constant"], {0: 0.002, 9: 0.002, 10: 0.02, 60: 0.002}),
    (["WARMUP_ITERS", 0], {0: 0.02, 59: 0.02, 60: 0.002}),
    (["STEPS", (5, 80)], {0: 0.002, 5: 0.002, 79: 0.002, 80: 0.0002}),
    (["STEPS", (60, 101)], {59: 0.02, 99: 0.002}),  # a step above MAX_ITER is dropped
    (["LR_SCHEDULER_NAME", "WarmupCosineLR"], COSINE),
    (["LR_SCHEDULER_NAME", "WarmupCosineLR", "RESCALE_INTERVAL", True], {1: 0.0038, 10: 0.02, 11: 0.0199939083}),
]


@pytest.mark.parametrize(("options", "expected"), SCHEDULES)
def test_learning_rates(options, expected):  # G8
    cfg = get_cfg()
    cfg.SOLVER.merge_from_list(["BASE_LR", 0.02, "MAX_ITER", 100, "STEPS", (60, 80), "WARMUP_ITERS", 10])
    cfg.SOLVER.merge_from_list(["WARMUP_FACTOR", 0.1, *options])
    optimizer = build_optimizer(cfg, nn.Linear(1, 1))
    scheduler, rates = build_lr_scheduler(cfg, optimizer), []
    for _ in range(100):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    assert {i: rates[i] for i in expected} == pytest.approx(expected, rel=1e-7)
    assert set(scheduler.state_dict()) == {"base_lrs", "last_epoch"}


def groups(params):
    return [(len(g["params"]), g.get("lr"), g.get("weight_decay")) for g in params]


def test_parameter_groups():  # G14
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.GroupNorm(2, 4))
    cfg = get_cfg()
    assert groups(build_optimizer(cfg, model).param_groups) == [(2, 0.001, 1e-4), (4, 0.001, 0.0)]
    cfg.SOLVER.merge_from_list(["BIAS_LR_FACTOR", 2.0, "WEIGHT_DECAY_BIAS", 0.0])
    assert groups(build_optimizer(cfg, model).param_groups) == [(1, 0.001, 1e-4), (3, 0.002, 0.0), (2, 0.001, 0.0)]
    model[0].weight.requires_grad = False
    params = get_default_optimizer_params(model, 1.0, lr_factor_func=lambda name: 3.0 if name == "0.bias" else 2.0)
    assert groups(params) == [(1, 3.0, None), (4, 2.0, None)]


@pytest.mark.parametrize(("kind", "expected"), [("value", [2.0, 1.0]), ("norm", [2 * 0.8, 2 * 0.6])])
def test_gradient_clipping(kind, expected):
    cfg = get_cfg()
    cfg.SOLVER.CLIP_GRADIENTS.merge_from_list(["ENABLED", True, "CLIP_TYPE", kind, "CLIP_VALUE", 2.0])
    cfg.SOLVER.merge_from_list(["WEIGHT_DECAY", 0.0, "BASE_LR", 1.0])
    layer = nn.Linear(2, 1, bias=False)
    nn.init.zeros_(layer.weight)
    layer.weight.grad = torch.tensor([[4.0, 3.0 if kind == "norm" else 1.0]])  # norm 5 is scaled to 2
    build_optimizer(cfg, layer).step()
    assert (-layer.weight).flatten().tolist() == pytest.approx(expected, rel=1e-5)
