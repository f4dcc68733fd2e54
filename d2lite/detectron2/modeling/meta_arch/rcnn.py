import torch
from torch import nn

from ..._lite import unsupported
from ...config import configurable
from ...structures import ImageList
from ..backbone import build_backbone
from ..postprocessing import detector_postprocess
from ..proposal_generator import build_proposal_generator
from ..roi_heads import build_roi_heads
from .build import META_ARCH_REGISTRY


@META_ARCH_REGISTRY.register()
class GeneralizedRCNN(nn.Module):
    """Backbone, proposals, heads.

    One dict per image comes in: "image" (C, H, W), in training "instances" with gt_boxes and gt_classes, in test
    "height" and "width" of the wanted output.
    """

    @configurable
    def __init__(
        self,
        *,
        backbone,
        proposal_generator,
        roi_heads,
        pixel_mean,
        pixel_std,
        input_format=None,
        vis_period=0,
    ) -> None:
        super().__init__()
        if vis_period > 0:
            unsupported("VIS_PERIOD > 0")
        self.backbone, self.proposal_generator, self.roi_heads = backbone, proposal_generator, roi_heads
        self.input_format, self.vis_period = input_format, vis_period
        self.register_buffer("pixel_mean", torch.tensor(pixel_mean).view(-1, 1, 1), persistent=False)
        self.register_buffer("pixel_std", torch.tensor(pixel_std).view(-1, 1, 1), persistent=False)
        assert self.pixel_mean.shape == self.pixel_std.shape, "PIXEL_MEAN and PIXEL_STD differ in length!"

    @classmethod
    def from_config(cls, cfg):
        backbone = build_backbone(cfg)
        return {
            "backbone": backbone, "proposal_generator": build_proposal_generator(cfg, backbone.output_shape()),
            "roi_heads": build_roi_heads(cfg, backbone.output_shape()), "pixel_mean": cfg.MODEL.PIXEL_MEAN,
            "pixel_std": cfg.MODEL.PIXEL_STD, "input_format": cfg.INPUT.FORMAT, "vis_period": cfg.VIS_PERIOD,
        }  # fmt: skip

    @property
    def device(self) -> torch.device:
        return self.pixel_mean.device

    def forward(self, batched_inputs: list[dict]):
        """In training a dict of losses, otherwise what `inference` returns."""
        if not self.training:
            return self.inference(batched_inputs)
        images = self.preprocess_image(batched_inputs)
        has_gt = "instances" in batched_inputs[0]
        gt_instances = [x["instances"].to(self.device) for x in batched_inputs] if has_gt else None
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
        return self._postprocess(results, batched_inputs, images.image_sizes) if do_postprocess else results

    def preprocess_image(self, batched_inputs: list[dict]) -> ImageList:
        """Normalise, then pad with zeros and batch."""
        images = [(x["image"].to(self.device) - self.pixel_mean) / self.pixel_std for x in batched_inputs]
        constraints = self.backbone.padding_constraints
        return ImageList.from_tensors(images, self.backbone.size_divisibility, padding_constraints=constraints)

    @staticmethod
    def _postprocess(instances, batched_inputs, image_sizes) -> list[dict]:
        outputs = []
        for result, given, (height, width) in zip(instances, batched_inputs, image_sizes, strict=True):
            size = (given.get("height", height), given.get("width", width))
            outputs.append({"instances": detector_postprocess(result, *size)})
        return outputs
