"""I-Net: Siamese detection and re-identification of image pairs (He, Zhang, Jia, arXiv 1804.00376)."""

from collections.abc import Sequence

import numpy as np
import torch
from detectron2.config import CfgNode, configurable
from detectron2.modeling import META_ARCH_REGISTRY, GeneralizedRCNN, detector_postprocess
from detectron2.structures import Boxes, ImageList, Instances
from detectron2.utils import comm
from detectron2.utils.events import get_event_storage
from torch import Tensor, nn
from torch.nn import functional as F

from inet_d2.modeling.meta_arch.training_pictures import (
    SeenRegions,
    picture_proposals,
    picture_regions,
    rgb_image,
    seen_regions,
)
from inet_d2.visualization.region_picture import above

_BATCH_NORM = nn.modules.batchnorm._BatchNorm


@META_ARCH_REGISTRY.register()
class INet(GeneralizedRCNN):
    """Faster R-CNN on pairs of images with shared weights, whose ROI heads also embed people.

    In training the batch holds pairs: images 2i and 2i + 1 show a common identity. Both go through one forward pass,
    which is what two streams with shared weights compute. In testing images are independent of each other. Baselines
    whose losses need no pairs (OIM, a plain detector) train on any images.

    Args:
        hold_batch_norm: keep batch norms in evaluation mode while training.
        live_batch_norm: beginnings of the names of modules whose batch norms ``hold_batch_norm`` leaves alone.
        pad_to: pad images to a multiple of this, pixels; 0 for what the backbone asks for.
        **kwargs: arguments of ``GeneralizedRCNN``.

    Raises:
        ValueError: ``live_batch_norm`` is no list, or a name in it has no batch norm.
    """

    @configurable
    def __init__(
        self,
        *,
        hold_batch_norm: bool = False,
        live_batch_norm: Sequence[str] = (),
        pad_to: int = 0,
        **kwargs: object,
    ) -> None:
        super().__init__(**kwargs)
        self.pad_to = pad_to
        self.smallest_side = max(shape.stride for shape in self.backbone.output_shape().values())
        self.hold_batch_norm = hold_batch_norm
        self.live_batch_norm = self._checked_names(live_batch_norm) if hold_batch_norm else ()
        # Convolutions on CPU and tensor cores are faster in this layout; values and checkpoints do not change.
        self.to(memory_format=torch.channels_last)

    @classmethod
    def from_config(cls, cfg: CfgNode) -> dict:
        """Arguments of the parent, and MODEL.HOLD_BATCH_NORM, LIVE_BATCH_NORM and PAD_TO."""
        return {
            **super().from_config(cfg),
            "hold_batch_norm": cfg.MODEL.HOLD_BATCH_NORM,
            "live_batch_norm": cfg.MODEL.LIVE_BATCH_NORM,
            "pad_to": cfg.MODEL.PAD_TO,
        }

    @property
    def trains_on(self) -> str | None:
        """What a training batch must be made of: "pairs" if a loss needs them, or None where any images will do."""
        return "pairs" if self.roi_heads.identity_losses.needs_pairs else None

    def train(self, mode: bool = True) -> "INet":
        """Set the mode of all modules but the batch norms that are held."""
        super().train(mode)
        if self.hold_batch_norm:
            for name, module in self.named_modules():
                if isinstance(module, _BATCH_NORM) and not name.startswith(self.live_batch_norm):
                    module.eval()
        return self

    def _checked_names(self, live: Sequence[str]) -> tuple[str, ...]:
        if isinstance(live, str):  # whose letters would be taken for names
            raise ValueError(f'MODEL.LIVE_BATCH_NORM: expected a list of names, found "{live}"; write ("{live}",).')
        names = [name for name, module in self.named_modules() if isinstance(module, _BATCH_NORM)]
        for beginning in live:
            # An empty one begins every name and would hold nothing.
            if not beginning or not any(name.startswith(str(beginning)) for name in names):
                parts = sorted({".".join(name.split(".")[:2]) for name in names})
                raise ValueError(
                    f'MODEL.LIVE_BATCH_NORM: expected beginnings of names of batch norms, found "{beginning}"; this '
                    f"model has batch norms in {', '.join(parts) or 'no module'}."
                )
        return tuple(live)

    def forward(self, batched_inputs: list[dict]) -> dict[str, Tensor] | list[dict]:
        """Losses in training, results in testing.

        Args:
            batched_inputs: one dict per image. Training: ``image`` (C, H, W) and ``instances`` with ``gt_boxes``,
                ``gt_classes`` and ``gt_pids``; where a loss needs pairs, an even number of images, consecutive ones
                being a pair. Testing: see :meth:`inference`.

        Returns:
            Training: weighted losses by name. Testing: one dict per image.

        Raises:
            ValueError: an odd number of training images where a loss needs pairs.
        """
        if self.training and len(batched_inputs) % 2 and self.trains_on == "pairs":
            raise ValueError(
                f"INet trains on pairs of images, but the batch has {len(batched_inputs)}; use an even "
                "SOLVER.IMS_PER_BATCH and DATALOADER.TRAIN_LOADER build_pair_train_loader."
            )
        if not (self.training and self.draws_now()):
            return super().forward(batched_inputs)
        with seen_regions(self.roi_heads) as seen:
            losses = super().forward(batched_inputs)
        self.visualize_regions(batched_inputs, seen)
        return losses

    def draws_now(self) -> bool:
        """Whether this process puts pictures of this training step into the event storage (VIS_PERIOD)."""
        period = self.vis_period
        return period > 0 and comm.is_main_process() and get_event_storage().iter % period == 0

    def visualize_training(self, batched_inputs: list[dict], proposals: list[Instances]) -> None:
        """Show the first image, of pairs both, with its people beside the best proposals.

        Args:
            batched_inputs: see :meth:`forward`.
            proposals: per image, of the RPN.
        """
        if comm.is_main_process():  # no other process has a writer that would take the pictures
            shown = zip(self._shown_images(batched_inputs), batched_inputs, proposals, strict=False)
            rows = [picture_proposals(image, x["instances"], found) for image, x, found in shown]
            get_event_storage().put_image("training/proposals", above(rows).transpose(2, 0, 1))

    def visualize_regions(self, batched_inputs: list[dict], seen: SeenRegions) -> None:
        """Show the same images with the regions of the losses: people, background, ignored.

        Args:
            batched_inputs: see :meth:`forward`.
            seen: regions of this step.
        """
        shown = zip(self._shown_images(batched_inputs), seen.targets, seen.sampled, strict=False)
        ious = {"person_iou": self.roi_heads.person_iou, "background_iou": self.roi_heads.background_iou}
        rows = [picture_regions(*each, **ious) for each in shown]
        get_event_storage().put_image("training/regions", above(rows).transpose(2, 0, 1))

    def _shown_images(self, batched_inputs: list[dict]) -> list[np.ndarray]:
        count = 2 if self.trains_on == "pairs" else 1
        return [rgb_image(x["image"], self.input_format) for x in batched_inputs[:count]]

    def preprocess_image(self, batched_inputs: list[dict]) -> ImageList:
        """Normalise, pad with zeros at the right and at the bottom, and batch.

        No side is less than the backbone's largest stride, so that a banner of a few rows still has a feature map.
        """
        images = super().preprocess_image(batched_inputs)
        sides, step = images.tensor.shape[-2:], max(self.pad_to, 1)
        height, width = (max(-(-side // step) * step, self.smallest_side) - side for side in sides)
        return ImageList(F.pad(images.tensor, (0, width, 0, height)), images.image_sizes) if height + width else images

    def inference(
        self,
        batched_inputs: list[dict],
        detected_instances: list[Instances] | None = None,
        do_postprocess: bool = True,
    ) -> list[dict]:
        """Detect and embed people, and embed given boxes, with one pass of the backbone.

        Args:
            batched_inputs: one dict per image with ``image`` (C, H, W), the original ``height`` and ``width``, and
                optionally ``query_boxes`` (q, 4) float and ``gallery_boxes`` (g, 4) float in the network's frame.
                Where the images have ``gallery_boxes`` (all of the batch, or none) these are embedded in the place of
                detections. With them may come ``gallery_scores`` (g,) and ``gallery_frame_boxes`` (g, 4) in the
                original frame, which then are the result's, bit for bit.
            detected_instances: as in ``GeneralizedRCNN.inference``: instances with ``pred_boxes`` to be embedded.
            do_postprocess: scale boxes to the original size.

        Returns:
            One dict per image: ``instances`` with ``pred_boxes``, ``scores``, ``pred_classes`` and
            ``pred_embeddings`` (n, D); if any image of the batch has ``query_boxes``, also ``query_embeddings``
            (q, D), q being 0 for images without. Without postprocessing, the instances alone, as in
            ``GeneralizedRCNN``.
        """
        if detected_instances is not None:
            return super().inference(batched_inputs, detected_instances, do_postprocess)
        images = self.preprocess_image(batched_inputs)
        features = self.backbone(images.tensor)
        if "gallery_boxes" in batched_inputs[0]:
            given = [
                _given_instances(x["gallery_boxes"].to(self.device), size)
                for x, size in zip(batched_inputs, images.image_sizes, strict=True)
            ]
            results = self.roi_heads.forward_with_given_boxes(features, given)
        else:
            results = self._detect(images, features)
        if not do_postprocess:
            return results
        outputs = [
            {"instances": _in_the_frame(r, x, size)}
            for r, x, size in zip(results, batched_inputs, images.image_sizes, strict=True)
        ]
        self._add_query_embeddings(outputs, batched_inputs, features)
        return outputs

    def _detect(self, images: ImageList, features: dict[str, Tensor]) -> list[Instances]:
        proposals, _ = self.proposal_generator(images, features, None)
        return self.roi_heads(images, features, proposals, None)[0]

    def _add_query_embeddings(
        self, outputs: list[dict], batched_inputs: list[dict], features: dict[str, Tensor]
    ) -> None:
        """Embed the query boxes of all images at once.

        Where any image has some, every output gets (q, D) rows in the order of its boxes; where none has, no output
        gets the field.
        """
        boxes = [x.get("query_boxes", torch.empty(0, 4)) for x in batched_inputs]
        if any(len(x) for x in boxes):
            embeddings = self.roi_heads.embed_boxes(features, [Boxes(x.to(self.device)) for x in boxes])
            for output, part in zip(outputs, embeddings.split([len(x) for x in boxes]), strict=True):
                output["query_embeddings"] = part


def _in_the_frame(result: Instances, image_input: dict, image_size: tuple[int, int]) -> Instances:
    """Results at the original size. Boxes that were given in it come back as they are, empty ones included."""
    height, width = image_input.get("height", image_size[0]), image_input.get("width", image_size[1])
    if "gallery_frame_boxes" not in image_input:
        return detector_postprocess(result, height, width)
    fields = dict(result.get_fields())
    device = result.scores.device
    fields["pred_boxes"] = Boxes(image_input["gallery_frame_boxes"].to(device))
    fields["scores"] = image_input["gallery_scores"].to(device)
    return Instances((height, width), **fields)


def _given_instances(boxes: Tensor, image_size: tuple[int, int]) -> Instances:
    """Annotated boxes (g, 4) as if they had been detected with certainty."""
    return Instances(
        image_size,
        pred_boxes=Boxes(boxes),
        scores=torch.ones(len(boxes), device=boxes.device),
        pred_classes=torch.zeros(len(boxes), dtype=torch.int64, device=boxes.device),
    )
