# ruff: noqa: F401, I001
# fmt: off
from .._lite import module_getattr
from .launch import launch
from .train_loop import AMPTrainer, HookBase, SimpleTrainer, TrainerBase
from .hooks import BestCheckpointer, CallbackHook, EvalHook, IterationTimer
from .hooks import LRScheduler, PeriodicCheckpointer, PeriodicWriter
from .defaults import DefaultPredictor, DefaultTrainer, create_ddp_model
from .defaults import default_argument_parser, default_setup, default_writers

__getattr__ = module_getattr(__name__)
