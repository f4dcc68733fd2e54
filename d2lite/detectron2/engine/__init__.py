from .defaults import DefaultTrainer, create_ddp_model, default_argument_parser, default_setup, default_writers
from .launch import launch
from .train_loop import HookBase, SimpleTrainer, TrainerBase

__all__ = ["DefaultTrainer", "HookBase", "SimpleTrainer", "TrainerBase", "create_ddp_model", "default_argument_parser"]
__all__ += ["default_setup", "default_writers", "launch"]
