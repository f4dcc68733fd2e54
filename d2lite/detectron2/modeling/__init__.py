# ruff: noqa: F401
from .._lite import unsupported
from ..layers import ShapeSpec
from ..utils.registry import Registry
from .anchor_generator import ANCHOR_GENERATOR_REGISTRY, build_anchor_generator
from .backbone import BACKBONE_REGISTRY, FPN, Backbone, ResNet, build_backbone
from .meta_arch import META_ARCH_REGISTRY, GeneralizedRCNN, build_model
from .postprocessing import detector_postprocess
from .proposal_generator import PROPOSAL_GENERATOR_REGISTRY, RPN_HEAD_REGISTRY, build_proposal_generator
from .roi_heads.box_head import ROI_BOX_HEAD_REGISTRY, build_box_head
from .roi_heads.roi_heads import ROI_HEADS_REGISTRY, Res5ROIHeads, ROIHeads, StandardROIHeads, build_roi_heads


def _register_missing(registry: Registry, names: str) -> None:
    """Let a name that only real Detectron2 has fail with words, at the moment it is used."""
    for name in names.split():
        missing = lambda *args, name=name, **kwargs: unsupported(f"'{name}'")  # noqa: E731
        missing.__name__ = name
        registry.register(missing)


_register_missing(META_ARCH_REGISTRY, "ProposalNetwork RetinaNet FCOS PanopticFPN SemanticSegmentor")
_register_missing(BACKBONE_REGISTRY, "build_retinanet_resnet_fpn_backbone")
_register_missing(PROPOSAL_GENERATOR_REGISTRY, "RRPN")
_register_missing(ANCHOR_GENERATOR_REGISTRY, "RotatedAnchorGenerator")
_register_missing(ROI_HEADS_REGISTRY, "CascadeROIHeads RROIHeads")
