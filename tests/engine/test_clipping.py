import pytest
import torch

from inet_d2.engine import load_config
from inet_d2.engine.clipping import clip_whole_model
from inet_d2.engine.trainer import INetTrainer


def parameters(*gradients):
    made = []
    for gradient in gradients:
        parameter = torch.nn.Parameter(torch.zeros(1))
        parameter.grad = torch.tensor([gradient])
        made.append(parameter)
    return made


def test_gradients_are_scaled_together():
    # Norm of (3, 4) is 5; at most 1, so each is divided by 5. Alone, each would become 1.
    a, b = parameters(3.0, 4.0)
    optimizer = torch.optim.SGD([{"params": [a]}, {"params": [b]}], lr=1.0)
    clip_whole_model(optimizer, max_norm=1.0)
    optimizer.step()
    assert a.item() == pytest.approx(-0.6, rel=1e-5)
    assert b.item() == pytest.approx(-0.8, rel=1e-5)


def test_small_gradients_stay():
    a, b = parameters(0.3, 0.4)
    optimizer = torch.optim.SGD([a, b], lr=1.0)
    clip_whole_model(optimizer, max_norm=1.0)
    optimizer.step()
    assert a.item() == pytest.approx(-0.3)


def test_a_parameter_without_gradient_takes_no_part():
    (a,), unused = parameters(3.0), torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([a, unused], lr=1.0)
    clip_whole_model(optimizer, max_norm=1.0)
    optimizer.step()
    assert a.item() == pytest.approx(-1.0, rel=1e-5)
    assert unused.item() == 0


@pytest.mark.parametrize(("clip_type", "expected"), [("full_model", (-0.6, -0.8)), ("norm", (-1.0, -1.0))])
def test_the_trainer_takes_it_from_detectron2s_keys(clip_type, expected):
    cfg = load_config("", ["SOLVER.CLIP_GRADIENTS.ENABLED", "True", "SOLVER.CLIP_GRADIENTS.CLIP_TYPE", clip_type])
    cfg.merge_from_list(["SOLVER.CLIP_GRADIENTS.CLIP_VALUE", 1.0, "SOLVER.BASE_LR", 1.0, "SOLVER.WEIGHT_DECAY", 0.0])
    # Detectron2 names parameters by their modules, so that the list stands in one.
    model = torch.nn.Sequential(torch.nn.ParameterList(parameters(3.0, 4.0)))
    INetTrainer.build_optimizer(cfg, model).step()
    assert tuple(p.item() for p in model.parameters()) == pytest.approx(expected, rel=1e-4)


def test_a_norm_of_zero_is_refused():
    optimizer = torch.optim.SGD(parameters(1.0), lr=1.0)
    with pytest.raises(ValueError, match=r"CLIP_VALUE: expected a norm above 0, found 0"):
        clip_whole_model(optimizer, max_norm=0)
