from operator import attrgetter

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import nn

from ..._lite import unsupported
from ...config import configurable, get_cfg
from ...data.detection_utils import convert_image_to_rgb
from ...structures import Boxes, ImageList
from ...utils.events import get_event_storage
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
    "MODEL.RPN.CONV_DIMS", "SOLVER.REFERENCE_WORLD_SIZE", "TEST.AUG.ENABLED",
    "TEST.PRECISE_BN.ENABLED",
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
    def __init__(self, *, backbone, proposal_generator, roi_heads, pixel_mean, pixel_std, input_format=None,
                 vis_period=0) -> None:  # fmt: skip
        super().__init__()
        if len(pixel_mean) != len(pixel_std):
            counts = f"{len(pixel_mean)} and {len(pixel_std)}"
            raise ValueError(f"MODEL.PIXEL_MEAN, PIXEL_STD: expected a number each per channel, found {counts}")
        if vis_period > 0 and input_format is None:
            raise ValueError("VIS_PERIOD: pictures need the order of the channels (INPUT.FORMAT), found None")
        self.input_format, self.vis_period = input_format, vis_period
        parts = {"backbone": backbone, "proposal_generator": proposal_generator, "roi_heads": roi_heads}
        for name, part in parts.items():  # in this order: the optimiser's state in checkpoints follows it
            self.add_module(name, part)
        for name, per_channel in (("pixel_mean", pixel_mean), ("pixel_std", pixel_std)):
            self.register_buffer(name, torch.tensor(per_channel)[:, None, None], persistent=False)

    @classmethod
    def from_config(cls, cfg):
        pixels = {"pixel_mean": cfg.MODEL.PIXEL_MEAN, "pixel_std": cfg.MODEL.PIXEL_STD}
        parts = {"backbone": build_backbone(cfg)}
        shapes = parts["backbone"].output_shape()
        parts["proposal_generator"] = build_proposal_generator(cfg, shapes)
        parts["roi_heads"] = build_roi_heads(cfg, shapes)
        return {**parts, **pixels, "input_format": cfg.INPUT.FORMAT, "vis_period": cfg.VIS_PERIOD}

    device = property(attrgetter("pixel_mean.device"))

    def forward(self, batched_inputs: list[dict]):
        """In training a dict of losses, otherwise what `inference` returns."""
        if not self.training:
            return self.inference(batched_inputs)
        images, features = self._features(batched_inputs)
        targets = [x["instances"].to(self.device) for x in batched_inputs]
        proposals, rpn_losses = self.proposal_generator(images, features, targets)
        head_losses = self.roi_heads(images, features, proposals, targets)[1]
        if self.vis_period > 0 and get_event_storage().iter % self.vis_period == 0:
            self.visualize_training(batched_inputs, proposals)
        return head_losses | rpn_losses

    def visualize_training(self, batched_inputs, proposals) -> None:
        """Show the first image twice: with its ground truth, and with the 20 proposals that score best."""
        shown, image = (batched_inputs[0]["instances"].gt_boxes, proposals[0].proposal_boxes[:20]), batched_inputs[0]
        picture = convert_image_to_rgb(image["image"].permute(1, 2, 0), self.input_format)
        halves = [_draw_boxes(picture, boxes) for boxes in shown]
        get_event_storage().put_image("ground truth | proposals", np.concatenate(halves, axis=1).transpose(2, 0, 1))

    def inference(self, batched_inputs: list[dict], detected_instances=None, do_postprocess: bool = True):
        """[{"instances": Instances in the output's frame}], or, not postprocessed, Instances in the network's.

        With `detected_instances` (pred_boxes and pred_classes, network's frame) nothing is detected: the heads'
        `forward_with_given_boxes` describes those boxes.
        """
        assert not self.training, "inference() needs the evaluation mode"
        images, features = self._features(batched_inputs)
        if detected_instances is not None:
            on_device = [boxes.to(self.device) for boxes in detected_instances]
            found = self.roi_heads.forward_with_given_boxes(features, on_device)
        else:
            found = self.roi_heads(images, features, self.proposal_generator(images, features)[0])[0]
        return self._outputs(found, batched_inputs, images.image_sizes) if do_postprocess else found

    @staticmethod
    def _outputs(found, batched_inputs: list[dict], network_sizes) -> list[dict]:
        """Take what was found from the network's frame to the size that each input asks for."""
        wanted = [
            (x.get("height", h), x.get("width", w)) for x, (h, w) in zip(batched_inputs, network_sizes, strict=True)
        ]
        return [{"instances": detector_postprocess(f, *size)} for f, size in zip(found, wanted, strict=True)]

    def _features(self, batched_inputs: list[dict]) -> tuple[ImageList, dict]:
        images = self.preprocess_image(batched_inputs)
        return images, self.backbone(images.tensor)

    def preprocess_image(self, batched_inputs: list[dict]) -> ImageList:
        """Normalise, then pad with zeros and batch."""
        divisor, constraints = self.backbone.size_divisibility, self.backbone.padding_constraints
        pictures = (x["image"].to(self.device) for x in batched_inputs)
        normalised = [(picture - self.pixel_mean) / self.pixel_std for picture in pictures]
        return ImageList.from_tensors(normalised, divisor, padding_constraints=constraints)


def _draw_boxes(picture: np.ndarray, boxes: Boxes) -> np.ndarray:
    drawn = Image.fromarray(picture.astype(np.uint8))
    for box in boxes.tensor.tolist():
        ImageDraw.Draw(drawn).rectangle(box, outline=(0, 255, 0), width=2)
    return np.asarray(drawn)
