# ruff: noqa: F401
from .._lite import module_getattr
from .build import (
    build_lr_scheduler,
    build_optimizer,
    get_default_optimizer_params,
    maybe_add_gradient_clipping,
)
from .lr_scheduler import LRMultiplier, LRScheduler, WarmupParamScheduler

__getattr__ = module_getattr(__name__)
