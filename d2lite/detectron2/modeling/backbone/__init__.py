from ..._lite import module_getattr
from .backbone import Backbone
from .build import BACKBONE_REGISTRY, build_backbone

__all__ = ["BACKBONE_REGISTRY", "Backbone", "build_backbone"]
__getattr__ = module_getattr(__name__)
