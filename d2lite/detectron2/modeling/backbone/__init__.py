from .backbone import BACKBONE_REGISTRY, Backbone, build_backbone
from .fpn import FPN, build_resnet_fpn_backbone
from .resnet import BasicStem, ResNet, build_resnet_backbone, make_stage

__all__ = ["BACKBONE_REGISTRY", "FPN", "Backbone", "BasicStem", "ResNet", "build_backbone", "build_resnet_backbone"]
__all__ += ["build_resnet_fpn_backbone", "make_stage"]
