"""Re-identification of people in video: one embedding for a clip, several clips for a tracklet."""

import torch
from detectron2.config import CfgNode, configurable
from detectron2.modeling import META_ARCH_REGISTRY, build_backbone
from detectron2.utils.events import get_event_storage
from torch import Tensor, nn
from torch.nn import functional as F

from inet_d2.modeling.clip_fusion import build_clip_fusion
from inet_d2.modeling.gathering import gather_regions
from inet_d2.modeling.identity.subgroups import form_subgroups
from inet_d2.modeling.identity.triplet import triplet_loss
from inet_d2.modeling.precision import at_least_float32, full_precision

_FRAMES_AT_ONCE = 128


@META_ARCH_REGISTRY.register()
class VideoReID(nn.Module):
    """Backbone on each frame, fusion of a clip's frames, mean over cells, a fully-connected layer.

    Identities are learned by softmax and by triplets of clips, the farthest of the same person and the nearest of
    others; the fusion may add a regularisation.

    Args:
        backbone: gives the feature map ``in_feature``.
        in_feature: its name.
        fusion: see ``CLIP_FUSION_REGISTRY``.
        embed_dim: length of the embedding.
        num_pids: C, identities of the training set.
        margin: of the triplets, in units of cosine.
        reg_weight: of the fusion's regularisation.
        clip_frames: N, frames of a clip in testing.
        pixel_mean: three numbers, subtracted.
        pixel_std: three numbers, divided by.
    """

    @configurable
    def __init__(
        self,
        *,
        backbone: nn.Module,
        in_feature: str,
        fusion: nn.Module,
        embed_dim: int,
        num_pids: int,
        margin: float,
        reg_weight: float,
        clip_frames: int,
        pixel_mean: tuple[float, ...],
        pixel_std: tuple[float, ...],
    ) -> None:
        super().__init__()
        self.backbone, self.in_feature, self.fusion = backbone, in_feature, fusion
        channels = backbone.output_shape()[in_feature].channels * fusion.widening
        self.embedding = nn.Linear(channels, embed_dim, bias=False)
        self.norm = nn.BatchNorm1d(embed_dim)
        self.classifier = nn.Linear(embed_dim, num_pids, bias=False)
        nn.init.kaiming_normal_(self.embedding.weight, nonlinearity="linear")
        nn.init.normal_(self.classifier.weight, std=0.001)
        self.margin, self.reg_weight, self.clip_frames = margin, reg_weight, clip_frames
        self.register_buffer("pixel_mean", torch.tensor(pixel_mean).view(-1, 1, 1), persistent=False)
        self.register_buffer("pixel_std", torch.tensor(pixel_std).view(-1, 1, 1), persistent=False)

    @classmethod
    def from_config(cls, cfg: CfgNode) -> dict:
        """Arguments from MODEL, MODEL.VIDEO_REID and INPUT.CLIP.

        Raises:
            ValueError: the backbone has no feature of that name.
        """
        node, backbone = cfg.MODEL.VIDEO_REID, build_backbone(cfg)
        if node.IN_FEATURE not in backbone.output_shape():
            known = ", ".join(backbone.output_shape())
            raise ValueError(f'MODEL.VIDEO_REID.IN_FEATURE: expected one of {known}, found "{node.IN_FEATURE}".')
        return {
            "backbone": backbone,
            "in_feature": node.IN_FEATURE,
            "fusion": build_clip_fusion(cfg),
            "embed_dim": node.EMBED_DIM,
            "num_pids": cfg.MODEL.ROI_REID_HEAD.NUM_PIDS,
            "margin": node.TRIPLET_MARGIN,
            "reg_weight": node.REG_WEIGHT,
            "clip_frames": cfg.INPUT.CLIP.FRAMES,
            "pixel_mean": cfg.MODEL.PIXEL_MEAN,
            "pixel_std": cfg.MODEL.PIXEL_STD,
        }

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return self.pixel_mean.device

    @property
    def trains_on(self) -> str:
        """What a training batch must be made of."""
        return "clips"

    def forward(self, batched_inputs: list[dict]) -> dict[str, Tensor] | list[dict]:
        """Losses in training, embeddings in testing.

        Args:
            batched_inputs: one dict each. Training: a clip, ``frames`` (N, 3, h, w) of equal shapes and ``pid`` in
                [0, C). Testing: a tracklet, ``frames`` (T, 3, h, w) with any T >= 1.

        Returns:
            Training: ``loss_clip_softmax``, ``loss_clip_triplet`` and ``loss_frame_difference``. Testing: for each
            tracklet ``embedding`` (D,) float, unit length, the mean of its clips'.

        Raises:
            ValueError: the inputs are no clips and no tracklets.
        """
        if "frames" not in batched_inputs[0]:
            raise ValueError(
                f"VideoReID: expected frames of clips or tracklets, found {', '.join(batched_inputs[0])}; name a data "
                "set of tracklets, such as mars_query, in DATASETS."
            )
        if not self.training:
            return [{"embedding": self.embed_tracklet(x["frames"])} for x in batched_inputs]
        clips = torch.stack([x["frames"].to(self.device) for x in batched_inputs])
        pids = torch.tensor([x["pid"] for x in batched_inputs], device=self.device)
        features = self.frame_features(clips.flatten(0, 1)).unflatten(0, clips.shape[:2])
        with full_precision(features):
            return self.losses(features, pids)

    def losses(self, features: Tensor, pids: Tensor) -> dict[str, Tensor]:
        """Losses of clips, by name.

        Args:
            features: (B, N, C, H, W) float.
            pids: (B,) int64 in [0, C).
        """
        fused, regularisation = self.fusion(features)
        embeddings = self.embed(fused)
        embeddings, pids, _ = gather_regions(embeddings, pids, torch.arange(len(pids), device=self.device))
        logits = self.classifier(embeddings)
        units = F.normalize(embeddings)
        same = pids[:, None] == pids
        subgroups = form_subgroups(units, same.clone().fill_diagonal_(False), units, ~same, gradient="full")
        get_event_storage().put_scalar("reid/clip_accuracy", (logits.detach().argmax(1) == pids).float().mean().item())
        return {
            "loss_clip_softmax": F.cross_entropy(logits, pids),
            "loss_clip_triplet": triplet_loss(subgroups, margin=self.margin),
            "loss_frame_difference": self.reg_weight * regularisation,
        }

    def frame_features(self, frames: Tensor) -> Tensor:
        """Feature maps of frames.

        Args:
            frames: (F, 3, h, w) of any number type, 0-255, on the model's device.

        Returns:
            (F, C, H, W) float.
        """
        return at_least_float32(self.backbone((frames.float() - self.pixel_mean) / self.pixel_std)[self.in_feature])

    def embed(self, fused: Tensor) -> Tensor:
        """(B, C', H, W) fused maps to (B, D) float >= 0, of any length."""
        return F.relu(self.norm(self.embedding(fused.mean(dim=(2, 3)))))

    def embed_tracklet(self, frames: Tensor) -> Tensor:
        """Embed all frames of a tracklet, in clips of as equal lengths as can be, at most N.

        Args:
            frames: (T, 3, h, w), T >= 1.

        Returns:
            (D,) float, unit length.
        """
        features = torch.cat([self.frame_features(part.to(self.device)) for part in frames.split(_FRAMES_AT_ONCE)])
        clips = features.tensor_split(-(-len(features) // self.clip_frames))
        # At most two lengths, which differ by one.
        lengths = sorted({len(clip) for clip in clips})
        with full_precision(features):
            fused = [self.fusion(torch.stack([clip for clip in clips if len(clip) == n]))[0] for n in lengths]
            embeddings = torch.cat([self.embed(part) for part in fused])
            return F.normalize(F.normalize(embeddings).mean(dim=0), dim=0)
