import logging
from collections.abc import Callable

import torch
from fvcore.common.param_scheduler import CosineParamScheduler, MultiStepParamScheduler
from torch import nn

from .._lite import unsupported
from .lr_scheduler import LRMultiplier, WarmupParamScheduler

_BATCH_NORM, _INSTANCE_NORM = nn.modules.batchnorm._BatchNorm, nn.modules.instancenorm._InstanceNorm
_NORMS = (_BATCH_NORM, _INSTANCE_NORM, nn.GroupNorm, nn.LayerNorm, nn.LocalResponseNorm)


def maybe_add_gradient_clipping(cfg, optimizer):
    """Make `optimizer` (a class or an object) clip each parameter's gradient before a step if cfg asks."""
    clip = cfg.SOLVER.CLIP_GRADIENTS
    if not clip.ENABLED:
        return optimizer
    clip_one = {
        "value": lambda p: nn.utils.clip_grad_value_(p, clip.CLIP_VALUE),
        "norm": lambda p: nn.utils.clip_grad_norm_(p, clip.CLIP_VALUE, clip.NORM_TYPE),
    }[clip.CLIP_TYPE]
    base = optimizer if isinstance(optimizer, type) else type(optimizer)

    def step(self, closure=None):
        for parameter in (p for group in self.param_groups for p in group["params"]):
            clip_one(parameter)
        return base.step(self, closure)

    clipping = type(base.__name__ + "WithGradientClip", (base,), {"step": step})
    if base is optimizer:
        return clipping
    optimizer.__class__ = clipping
    return optimizer


def get_default_optimizer_params(
    model: nn.Module, base_lr: float | None = None, weight_decay: float | None = None,
    weight_decay_norm: float | None = None, bias_lr_factor: float | None = 1.0,
    weight_decay_bias: float | None = None, lr_factor_func: Callable | None = None,
    overrides: dict[str, dict[str, float]] | None = None) -> list[dict]:  # fmt: skip
    """Parameter groups of the trainable parameters in module order, one per set of equal hyper-parameters.

    None leaves a hyper-parameter to the optimizer. `bias_*` is for parameters called "bias", `*_norm` for
    normalisation layers; `lr_factor_func` maps a full parameter name to a factor of base_lr; `overrides`
    ({"weight": {hyper-parameter: value}}, by last part of the name) win over everything else.
    """
    if base_lr is None and (lr_factor_func is not None or bias_lr_factor not in (None, 1.0)):
        raise ValueError("bias_lr_factor and lr_factor_func require base_lr")
    bias = {} if bias_lr_factor in (None, 1.0) else {"lr": base_lr * bias_lr_factor}
    bias |= {} if weight_decay_bias is None else {"weight_decay": weight_decay_bias}
    if bias and "bias" in (overrides or {}):
        raise ValueError("Conflicting overrides for 'bias'")
    overrides, merged, seen = {"bias": bias, **(overrides or {})}, {}, set()
    for module_name, module in model.named_modules():
        for name, parameter in module.named_parameters(recurse=False):
            if not parameter.requires_grad or parameter in seen:
                continue
            seen.add(parameter)
            hyper = {"lr": base_lr, "weight_decay": weight_decay}
            if isinstance(module, _NORMS) and weight_decay_norm is not None:
                hyper["weight_decay"] = weight_decay_norm
            if lr_factor_func is not None:
                hyper["lr"] *= lr_factor_func(f"{module_name}.{name}")
            hyper = {k: v for k, v in {**hyper, **overrides.get(name, {})}.items() if v is not None}
            group = merged.setdefault(tuple(sorted(hyper.items())), {**hyper, "params": []})
            group["params"].append(parameter)
    return list(merged.values())


def build_optimizer(cfg, model: nn.Module) -> torch.optim.Optimizer:
    """SGD with the hyper-parameters of `cfg.SOLVER`."""
    solver = cfg.SOLVER
    norm_and_bias = (solver.WEIGHT_DECAY_NORM, solver.BIAS_LR_FACTOR, solver.WEIGHT_DECAY_BIAS)
    params = get_default_optimizer_params(model, solver.BASE_LR, None, *norm_and_bias)
    hyper = {"lr": solver.BASE_LR, "momentum": solver.MOMENTUM, "nesterov": solver.NESTEROV}
    sgd = maybe_add_gradient_clipping(cfg, torch.optim.SGD)
    return sgd(params, **hyper, weight_decay=solver.WEIGHT_DECAY, foreach=True)


def build_lr_scheduler(cfg, optimizer: torch.optim.Optimizer) -> LRMultiplier:
    """The schedule `cfg.SOLVER.LR_SCHEDULER_NAME`: "WarmupMultiStepLR" or "WarmupCosineLR"."""
    solver, name = cfg.SOLVER, cfg.SOLVER.LR_SCHEDULER_NAME
    if name == "WarmupMultiStepLR":
        steps = [step for step in solver.STEPS if step <= solver.MAX_ITER]
        if len(steps) != len(solver.STEPS):
            logging.getLogger(__name__).warning("SOLVER.STEPS above SOLVER.MAX_ITER are ignored.")
        values = [solver.GAMMA**k for k in range(len(steps) + 1)]
        schedule = MultiStepParamScheduler(values=values, milestones=steps, num_updates=solver.MAX_ITER)
    elif name == "WarmupCosineLR":
        schedule = CosineParamScheduler(1, solver.BASE_LR_END / solver.BASE_LR)
    elif name == "WarmupStepWithFixedGammaLR":
        unsupported(f"The learning-rate schedule {name}")
    else:
        raise ValueError(f"Unknown LR scheduler: {name}")
    length = min(solver.WARMUP_ITERS / solver.MAX_ITER, 1.0)
    args = (solver.WARMUP_FACTOR, length, solver.WARMUP_METHOD, solver.RESCALE_INTERVAL)
    return LRMultiplier(optimizer, WarmupParamScheduler(schedule, *args), solver.MAX_ITER)
