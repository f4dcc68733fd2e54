from .build import build_lr_scheduler, build_optimizer, get_default_optimizer_params, maybe_add_gradient_clipping

__all__ = ["build_lr_scheduler", "build_optimizer", "get_default_optimizer_params", "maybe_add_gradient_clipping"]
