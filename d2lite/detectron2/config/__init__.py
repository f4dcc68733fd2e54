# ruff: noqa: F401
from .._lite import module_getattr
from .config import CfgNode, configurable, get_cfg

CN = CfgNode
__getattr__ = module_getattr(__name__)
