"""First stage: the same network learns identities on person crops, before it learns to detect.

I-Net starts from a model that already detects and identifies (section 4.1, the "initialized model" of Table 1). Where
that model has no pretrained weights to start from, this stage makes them: backbone, RoI pooling, fully-connected
layers, embedding and classifier are those of I-Net under the same parameter names, so that its checkpoint is the next
stage's MODEL.WEIGHTS.
"""

from typing import NoReturn

import torch
from detectron2.config import CfgNode, configurable
from detectron2.modeling import META_ARCH_REGISTRY
from detectron2.structures import ImageList
from detectron2.utils.events import get_event_storage
from torch import Tensor
from torch.nn import functional as F

from inet_d2.modeling.gathering import gather_regions
from inet_d2.modeling.identity.olp import olp_loss
from inet_d2.modeling.identity.subgroups import form_subgroups
from inet_d2.modeling.meta_arch.inet import INet
from inet_d2.modeling.meta_arch.training_pictures import rgb_image
from inet_d2.modeling.precision import at_least_float32, full_precision
from inet_d2.visualization.region_picture import draw_crops

SHOWN_CROPS = 64  # of a batch, in a picture


@META_ARCH_REGISTRY.register()
class CropReID(INet):
    """Identity learning on person crops: softmax over all identities, and pairs within the batch.

    Args:
        scale: multiplies the cosines of the pair loss.
        softmax_weight, pair_weight: loss weights.
        **kwargs: arguments of :class:`INet`; there is no proposal generator.

    Raises:
        ValueError: no loss of the joint stage has an identity classifier, so there is nothing to train here.
    """

    @configurable
    def __init__(self, *, scale: float, softmax_weight: float, pair_weight: float, **kwargs: object) -> None:
        super().__init__(**kwargs)
        if self.roi_heads.identity_losses.classifier is None:
            raise ValueError(
                "CropReID trains the identity classifier of the joint stage; set the ENABLED key of "
                "MODEL.ROI_REID_HEAD.HEP, SOFTMAX or RANDOM_SOFTMAX."
            )
        self.scale = scale
        self.softmax_weight = softmax_weight
        self.pair_weight = pair_weight
        # What only the joint stage uses gets no gradient here and must not look trainable to a distributed trainer.
        for part in self.idle_parts:
            self.get_submodule(part).requires_grad_(False)

    @property
    def idle_parts(self) -> tuple[str, ...]:
        """Names of the modules that only the joint stage uses."""
        always = ("roi_heads.identity_losses.terms", "roi_heads.box_predictor")
        return always if self.roi_heads.reid_head.needs_region_features else (*always, "roi_heads.box_head")

    @classmethod
    def from_config(cls, cfg: CfgNode) -> dict:
        """Arguments of the parent, and the keys under MODEL.CROP_REID."""
        crop = cfg.MODEL.CROP_REID
        return {
            **super().from_config(cfg),
            "scale": crop.SCALE,
            "softmax_weight": crop.SOFTMAX_WEIGHT,
            "pair_weight": crop.PAIR_WEIGHT,
        }

    @property
    def trains_on(self) -> str:
        """A training batch is made of crops; the losses of the joint stage, which may need pairs, do not run here."""
        return "crops"

    def forward(self, batched_inputs: list[dict]) -> dict[str, Tensor] | list[dict]:
        """Losses on crops in training; in testing as :class:`INet` with given boxes.

        Args:
            batched_inputs: one dict per crop with ``image`` (C, H, W) and ``instances``, whose single ``gt_boxes`` is
                the person and ``gt_pids`` the identity, in [0, C).

        Returns:
            Training: ``loss_crop_softmax`` and ``loss_crop_pair``. Testing: one dict per image.

        Raises:
            ValueError: a test image comes without ``gallery_boxes``; this stage cannot detect.
        """
        if not self.training:
            return self.inference(batched_inputs)
        if self.draws_now():
            self.visualize_training(batched_inputs, [])
        images = self.preprocess_image(batched_inputs)
        instances = [x["instances"].to(self.device) for x in batched_inputs]
        embeddings = self.roi_heads.embed_boxes(self.backbone(images.tensor), [x.gt_boxes for x in instances])
        pids = torch.cat([x.gt_pids for x in instances])
        embeddings, pids, _ = gather_regions(
            at_least_float32(embeddings), pids, torch.arange(len(pids), device=pids.device)
        )
        with full_precision(embeddings):
            return self._losses(embeddings, pids)

    def _detect(self, images: ImageList, features: dict[str, Tensor]) -> NoReturn:
        raise ValueError("CropReID does not detect; evaluate it with TEST.SEARCH.USE_GT_BOXES True or BOXES_FROM.")

    def _losses(self, embeddings: Tensor, pids: Tensor) -> dict[str, Tensor]:
        same = pids[:, None] == pids
        subgroups = form_subgroups(
            embeddings, same.fill_diagonal_(False), embeddings, pids[:, None] != pids, gradient="full"
        )
        # Background, the classifier's last column, does not occur among crops.
        logits = self.roi_heads.identity_losses.classifier(embeddings)[:, :-1]
        get_event_storage().put_scalar("reid/crop_accuracy", float((logits.argmax(1) == pids).float().mean()))
        return {
            "loss_crop_softmax": self.softmax_weight * F.cross_entropy(logits, pids),
            "loss_crop_pair": self.pair_weight * olp_loss(subgroups, scale=self.scale),
        }

    def visualize_training(self, batched_inputs: list[dict], proposals: list) -> None:
        """Show the first crops of the batch, each below its pid.

        Args:
            batched_inputs: see :meth:`forward`.
            proposals: there are none.
        """
        shown = batched_inputs[:SHOWN_CROPS]
        crops = [rgb_image(x["image"], self.input_format) for x in shown]
        picture = draw_crops(crops, [int(x["instances"].gt_pids[0]) for x in shown])
        get_event_storage().put_image("training/crops", picture.transpose(2, 0, 1))
