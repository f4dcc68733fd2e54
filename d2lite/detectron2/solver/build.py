from collections.abc import Callable

import torch
from fvcore.common.param_scheduler import CosineParamScheduler, MultiStepParamScheduler, ParamScheduler
from torch import nn
from torch.optim.lr_scheduler import LRScheduler

from .._lite import unsupported

_BATCH_NORM, _INSTANCE_NORM = nn.modules.batchnorm._BatchNorm, nn.modules.instancenorm._InstanceNorm
_NORMS = (_BATCH_NORM, _INSTANCE_NORM, nn.GroupNorm, nn.LayerNorm, nn.LocalResponseNorm)


def maybe_add_gradient_clipping(cfg, optimizer):
    """Make the object `optimizer` clip each parameter's gradient before a step if cfg asks."""
    clip = cfg.SOLVER.CLIP_GRADIENTS
    if not clip.ENABLED:
        return optimizer
    clip_one = {
        "value": lambda p: nn.utils.clip_grad_value_(p, clip.CLIP_VALUE),
        "norm": lambda p: nn.utils.clip_grad_norm_(p, clip.CLIP_VALUE, clip.NORM_TYPE),
    }[clip.CLIP_TYPE]
    base = type(optimizer)

    def step(self, closure=None):
        for parameter in (p for group in self.param_groups for p in group["params"]):
            clip_one(parameter)
        return base.step(self, closure)

    optimizer.__class__ = type(base.__name__ + "WithGradientClip", (base,), {"step": step})
    return optimizer


def get_default_optimizer_params(
    model: nn.Module, base_lr: float | None = None, weight_decay: float | None = None,
    weight_decay_norm: float | None = None, bias_lr_factor: float | None = 1.0,
    weight_decay_bias: float | None = None, lr_factor_func: Callable | None = None) -> list[dict]:  # fmt: skip
    """Parameter groups of the trainable parameters in module order, one per set of equal hyper-parameters.

    None leaves a hyper-parameter to the optimizer. `lr_factor_func` maps a full parameter name to a factor of base_lr;
    `*_norm` is for normalisation layers; what is given for parameters called "bias" wins over both.
    """
    if base_lr is None and (lr_factor_func is not None or bias_lr_factor not in (None, 1.0)):
        raise ValueError("base_lr: expected a number, which bias_lr_factor and lr_factor_func multiply, found None")
    bias = {} if bias_lr_factor in (None, 1.0) else {"lr": base_lr * bias_lr_factor}
    bias |= {} if weight_decay_bias is None else {"weight_decay": weight_decay_bias}
    merged, seen = {}, set()
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
            hyper |= bias if name == "bias" else {}
            hyper = {k: v for k, v in hyper.items() if v is not None}
            group = merged.setdefault(tuple(sorted(hyper.items())), {**hyper, "params": []})
            group["params"].append(parameter)
    return list(merged.values())


def build_optimizer(cfg, model: nn.Module) -> torch.optim.Optimizer:
    """SGD with the hyper-parameters of `cfg.SOLVER`."""
    solver = cfg.SOLVER
    norm_and_bias = (solver.WEIGHT_DECAY_NORM, solver.BIAS_LR_FACTOR, solver.WEIGHT_DECAY_BIAS)
    params = get_default_optimizer_params(model, solver.BASE_LR, None, *norm_and_bias)
    hyper = {"lr": solver.BASE_LR, "momentum": solver.MOMENTUM, "nesterov": solver.NESTEROV}
    sgd = torch.optim.SGD(params, **hyper, weight_decay=solver.WEIGHT_DECAY, foreach=True)
    return maybe_add_gradient_clipping(cfg, sgd)


class _Warmup(ParamScheduler):
    """`scheduler` after a warm-up over the share `length` of the training, as `SOLVER.WARMUP_*` say.

    With SOLVER.RESCALE_INTERVAL, `scheduler` starts from its beginning after the warm-up.
    """

    def __init__(self, scheduler: ParamScheduler, solver) -> None:
        if solver.WARMUP_METHOD not in ("linear", "constant"):
            raise ValueError(f"SOLVER.WARMUP_METHOD: expected linear or constant, found {solver.WARMUP_METHOD}")
        self._scheduler, self._rescale = scheduler, solver.RESCALE_INTERVAL
        self._length = min(solver.WARMUP_ITERS / solver.MAX_ITER, 1.0)
        self._start = self._end = solver.WARMUP_FACTOR * scheduler(0.0)
        if solver.WARMUP_METHOD == "linear":
            self._end = scheduler(0.0 if self._rescale else self._length)

    def __call__(self, where: float) -> float:
        if where < self._length:
            share = where / self._length
            return self._end * share + self._start * (1 - share)
        return self._scheduler((where - self._length) / (1 - self._length) if self._rescale else where)


class LRMultiplier(LRScheduler):
    """A learning-rate scheduler: initial rate times `multiplier(iteration / max_iter)`."""

    def __init__(self, optimizer, multiplier: ParamScheduler, max_iter: int, last_iter: int = -1) -> None:
        self._multiplier, self._max_iter = multiplier, max_iter
        super().__init__(optimizer, last_epoch=last_iter)

    def state_dict(self) -> dict:
        return {"base_lrs": self.base_lrs, "last_epoch": self.last_epoch}

    def get_lr(self) -> list[float]:
        multiplier = self._multiplier(self.last_epoch / self._max_iter)
        return [base_lr * multiplier for base_lr in self.base_lrs]


def build_lr_scheduler(cfg, optimizer: torch.optim.Optimizer) -> LRMultiplier:
    """The schedule `cfg.SOLVER.LR_SCHEDULER_NAME`: "WarmupMultiStepLR" or "WarmupCosineLR"."""
    solver, name = cfg.SOLVER, cfg.SOLVER.LR_SCHEDULER_NAME
    if name == "WarmupMultiStepLR":
        steps = [step for step in solver.STEPS if step <= solver.MAX_ITER]
        values = [solver.GAMMA**k for k in range(len(steps) + 1)]
        schedule = MultiStepParamScheduler(values=values, milestones=steps, num_updates=solver.MAX_ITER)
    elif name == "WarmupCosineLR":
        schedule = CosineParamScheduler(1, solver.BASE_LR_END / solver.BASE_LR)
    else:
        unsupported(f"The learning-rate schedule {name}")
    return LRMultiplier(optimizer, _Warmup(schedule, solver), solver.MAX_ITER)
