from .config import CfgNode, configurable, get_cfg

CN = CfgNode
__all__ = ["CN", "CfgNode", "configurable", "get_cfg"]
