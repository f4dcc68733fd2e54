"""Which models can be exported, asked before anything is built."""

from detectron2.config import CfgNode
from torch import nn

from inet_d2.modeling.meta_arch.crop_reid import CropReID
from inet_d2.modeling.meta_arch.inet import INet
from inet_d2.modeling.roi_heads.identity_branch import IdentityBranch
from inet_d2.modeling.roi_heads.seq_roi_heads import SeqROIHeads


def check_exportable(cfg: CfgNode) -> None:
    """Refuse configurations whose model has no graph of one image.

    Raises:
        ValueError: the message says why, and what to do.
    """
    model = cfg.MODEL
    if model.META_ARCHITECTURE == "VideoReID":
        raise ValueError(
            "MODEL.META_ARCHITECTURE: expected a model of single images, found VideoReID, which embeds clips; only "
            "models of INet and CropReID are exported"
        )
    if model.ROI_HEADS.NUM_CLASSES != 1:
        raise ValueError(
            f"MODEL.ROI_HEADS.NUM_CLASSES: expected 1, people, found {model.ROI_HEADS.NUM_CLASSES}; the exported graph "
            "has no labels"
        )
    if "swin" in model.BACKBONE.NAME:
        raise ValueError(
            f"MODEL.BACKBONE.NAME: {model.BACKBONE.NAME} cuts the picture into windows whose number an exporter takes "
            "for a constant; export a model with a VGG or ResNet backbone"
        )


def check_model(model: nn.Module) -> None:
    """Refuse models that lack what the graphs are made of.

    Raises:
        ValueError: the message says what is missing.
    """
    if not isinstance(model, INet):
        raise ValueError(
            f"MODEL.META_ARCHITECTURE: expected INet or CropReID, found {type(model).__name__}, which is not exported"
        )
    if not isinstance(model.roi_heads, IdentityBranch):
        raise ValueError(
            f"MODEL.ROI_HEADS.NAME: expected heads that embed people, found {type(model.roi_heads).__name__}; take "
            "INetROIHeads, which detects alone too (ROI_REID_HEAD.EMBEDDING box_head)"
        )
    if type(model.roi_heads)._detect not in (IdentityBranch._detect, SeqROIHeads._detect):
        raise ValueError(
            f"MODEL.ROI_HEADS.NAME: {type(model.roi_heads).__name__} detects in a way of its own, which is not "
            "exported; expected INetROIHeads, INetRes5ROIHeads, NAEROIHeads, SeqROIHeads, or heads that detect as these"
        )


def detects(model: nn.Module) -> bool:
    """Whether a model finds people, or embeds given boxes alone."""
    return model.proposal_generator is not None and not isinstance(model, CropReID)
