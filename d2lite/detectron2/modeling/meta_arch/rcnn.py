from operator import attrgetter

import torch
from torch import nn

from ..._lite import unsupported
from ...config import configurable, get_cfg
from ...structures import ImageList
from ...utils.registry import Registry
from ..backbone import build_backbone
from ..postprocessing import detector_postprocess
from ..proposal_generator import build_proposal_generator
from ..roi_heads import build_roi_heads

META_ARCH_REGISTRY = Registry("META_ARCH")
_DEFAULT_ONLY = (  # keys of which this engine knows only one value
    "MODEL.FPN.FUSE_TYPE", "MODEL.KEYPOINT_ON", "MODEL.LOAD_PROPOSALS", "MODEL.MASK_ON",
    "MODEL.RESNETS.DEFORM_ON_PER_STAGE", "MODEL.RESNETS.NUM_GROUPS", "MODEL.RESNETS.RES5_DILATION",
    "MODEL.ROI_BOX_HEAD.BBOX_REG_LOSS_TYPE", "MODEL.ROI_BOX_HEAD.CLS_AGNOSTIC_BBOX_REG",
    "MODEL.ROI_BOX_HEAD.NUM_CONV", "MODEL.ROI_BOX_HEAD.TRAIN_ON_PRED_BOXES", "MODEL.ROI_BOX_HEAD.USE_FED_LOSS",
    "MODEL.ROI_BOX_HEAD.USE_SIGMOID_CE", "MODEL.RPN.BBOX_REG_LOSS_TYPE", "MODEL.RPN.BOUNDARY_THRESH",
    "MODEL.RPN.CONV_DIMS", "SOLVER.AMP.ENABLED", "SOLVER.REFERENCE_WORLD_SIZE", "TEST.AUG.ENABLED",
    "TEST.PRECISE_BN.ENABLED", "VIS_PERIOD",
)  # fmt: skip


def build_model(cfg) -> nn.Module:
    """The model that MODEL.META_ARCHITECTURE names, on MODEL.DEVICE; loads no weights."""
    defaults = get_cfg()
    for key in _DEFAULT_ONLY:
        if attrgetter(key)(cfg) != attrgetter(key)(defaults):
            unsupported(f"{key}: {attrgetter(key)(cfg)}")
    return META_ARCH_REGISTRY.get(cfg.MODEL.META_ARCHITECTURE)(cfg).to(torch.device(cfg.MODEL.DEVICE))


@META_ARCH_REGISTRY.register()
class GeneralizedRCNN(nn.Module):
    """Backbone, proposals, heads.

    One dict per image comes in: "image" (C, H, W), in training "instances" with gt_boxes and gt_classes, in test
    "height" and "width" of the wanted output.
    """

    @configurable
    def __init__(self, *, backbone, proposal_generator, roi_heads, pixel_mean, pixel_std, input_format=None) -> None:
        super().__init__()
        self.backbone, self.proposal_generator, self.roi_heads = backbone, proposal_generator, roi_heads
        self.input_format = input_format
        self.register_buffer("pixel_mean", torch.tensor(pixel_mean).view(-1, 1, 1), persistent=False)
        self.register_buffer("pixel_std", torch.tensor(pixel_std).view(-1, 1, 1), persistent=False)
        assert self.pixel_mean.shape == self.pixel_std.shape, "PIXEL_MEAN and PIXEL_STD differ in length!"

    @classmethod
    def from_config(cls, cfg):
        backbone = build_backbone(cfg)
        return {
            "backbone": backbone, "proposal_generator": build_proposal_generator(cfg, backbone.output_shape()),
            "roi_heads": build_roi_heads(cfg, backbone.output_shape()), "pixel_mean": cfg.MODEL.PIXEL_MEAN,
            "pixel_std": cfg.MODEL.PIXEL_STD, "input_format": cfg.INPUT.FORMAT,
        }  # fmt: skip

    device = property(attrgetter("pixel_mean.device"))

    def forward(self, batched_inputs: list[dict]):
        """In training a dict of losses, otherwise what `inference` returns."""
        if not self.training:
            return self.inference(batched_inputs)
        images = self.preprocess_image(batched_inputs)
        gt_instances = [x["instances"].to(self.device) for x in batched_inputs]
        features = self.backbone(images.tensor)
        proposals, proposal_losses = self.proposal_generator(images, features, gt_instances)
        _, detector_losses = self.roi_heads(images, features, proposals, gt_instances)
        return {**detector_losses, **proposal_losses}

    def inference(self, batched_inputs: list[dict], detected_instances=None, do_postprocess: bool = True):
        """[{"instances": Instances in the output's frame}], or, not postprocessed, Instances in the network's.

        With `detected_instances` (pred_boxes and pred_classes, network's frame) nothing is detected: the heads'
        `forward_with_given_boxes` describes those boxes.
        """
        assert not self.training, "inference() needs the evaluation mode"
        images = self.preprocess_image(batched_inputs)
        features = self.backbone(images.tensor)
        if detected_instances is None:
            proposals, _ = self.proposal_generator(images, features)
            results, _ = self.roi_heads(images, features, proposals, None)
        else:
            given = [x.to(self.device) for x in detected_instances]
            results = self.roi_heads.forward_with_given_boxes(features, given)
        if not do_postprocess:
            return results
        outputs = []
        for result, given, (height, width) in zip(results, batched_inputs, images.image_sizes, strict=True):
            size = (given.get("height", height), given.get("width", width))
            outputs.append({"instances": detector_postprocess(result, *size)})
        return outputs

    def preprocess_image(self, batched_inputs: list[dict]) -> ImageList:
        """Normalise, then pad with zeros and batch."""
        images = [(x["image"].to(self.device) - self.pixel_mean) / self.pixel_std for x in batched_inputs]
        constraints = self.backbone.padding_constraints
        return ImageList.from_tensors(images, self.backbone.size_divisibility, padding_constraints=constraints)
