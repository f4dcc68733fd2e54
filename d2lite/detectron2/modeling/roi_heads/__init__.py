from .box_head import ROI_BOX_HEAD_REGISTRY, FastRCNNConvFCHead, build_box_head
from .fast_rcnn import FastRCNNOutputLayers
from .roi_heads import ROI_HEADS_REGISTRY, Res5ROIHeads, ROIHeads, StandardROIHeads, build_roi_heads

__all__ = ["ROI_BOX_HEAD_REGISTRY", "ROI_HEADS_REGISTRY", "FastRCNNConvFCHead", "FastRCNNOutputLayers", "ROIHeads"]
__all__ += ["Res5ROIHeads", "StandardROIHeads", "build_box_head", "build_roi_heads"]
