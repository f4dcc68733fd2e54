"""The network: importing this package registers its parts in Detectron2's registries."""

from inet_d2.modeling.anchor_generator import RoundedAnchorGenerator
from inet_d2.modeling.backbone.resnet import build_resnet_backbone_fixed_stem, build_resnet_stride16_backbone
from inet_d2.modeling.backbone.swin_fpn import build_swin_fpn_backbone
from inet_d2.modeling.backbone.vgg import VGG16, build_vgg16_backbone
from inet_d2.modeling.clip_fusion import CLIP_FUSION_REGISTRY, AveragePooling
from inet_d2.modeling.identity import IDENTITY_TERM_REGISTRY, IdentityTerm
from inet_d2.modeling.meta_arch.crop_reid import CropReID
from inet_d2.modeling.meta_arch.inet import INet
from inet_d2.modeling.meta_arch.video_reid import VideoReID
from inet_d2.modeling.roi_heads.box_head import DropoutBoxHead
from inet_d2.modeling.roi_heads.identity_branch import IdentityBranch
from inet_d2.modeling.roi_heads.inet_res5_roi_heads import INetRes5ROIHeads
from inet_d2.modeling.roi_heads.inet_roi_heads import INetROIHeads
from inet_d2.modeling.roi_heads.nae_roi_heads import NAEROIHeads
from inet_d2.modeling.roi_heads.norm_aware_head import NormAwareHead
from inet_d2.modeling.roi_heads.reid_head import ROI_REID_HEAD_REGISTRY, EmbeddingHead, build_reid_head
from inet_d2.modeling.roi_heads.seq_roi_heads import SeqROIHeads
from inet_d2.modeling.spatial_temporal_attention import SpatialTemporalAttention

__all__ = [
    "CLIP_FUSION_REGISTRY",
    "IDENTITY_TERM_REGISTRY",
    "ROI_REID_HEAD_REGISTRY",
    "VGG16",
    "AveragePooling",
    "CropReID",
    "DropoutBoxHead",
    "EmbeddingHead",
    "INet",
    "INetROIHeads",
    "INetRes5ROIHeads",
    "IdentityBranch",
    "IdentityTerm",
    "NAEROIHeads",
    "NormAwareHead",
    "RoundedAnchorGenerator",
    "SeqROIHeads",
    "SpatialTemporalAttention",
    "VideoReID",
    "build_reid_head",
    "build_resnet_backbone_fixed_stem",
    "build_resnet_stride16_backbone",
    "build_swin_fpn_backbone",
    "build_vgg16_backbone",
]
