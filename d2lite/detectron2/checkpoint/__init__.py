# ruff: noqa: F401
from fvcore.common.checkpoint import Checkpointer, PeriodicCheckpointer

from .._lite import module_getattr
from .detection_checkpoint import DetectionCheckpointer

__getattr__ = module_getattr(__name__)
