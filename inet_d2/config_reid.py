"""The configuration keys of re-identification on crops and in video, part of :func:`inet_d2.config.add_inet_config`."""

from detectron2.config import CfgNode as CN  # noqa: N817  (Detectron2's own idiom)


def add_reid_config(cfg: CN) -> None:
    """Add the nodes INPUT.CLIP, MODEL.VIDEO_REID and TEST.REID, in place."""
    _add_video_config(cfg)
    _add_test_config(cfg)


def _add_video_config(cfg: CN) -> None:
    # Re-identification in video (meta-architecture "VideoReID"): clips of tracklets.
    clip = cfg.INPUT.CLIP = CN()
    # N, frames of a clip (STA 4), and the height and width in pixels that they are resized to.
    clip.FRAMES = 4
    clip.SIZE = (256, 128)
    # Clips per identity in a batch; SOLVER.IMS_PER_BATCH counts clips and must be a multiple of it.
    clip.PER_IDENTITY = 4
    # Frames of a tracklet that are looked at in testing, evenly spread over it; 0 = all. Ours.
    clip.TEST_FRAMES = 0

    video = cfg.MODEL.VIDEO_REID = CN()
    # What makes one map of a clip's: "SpatialTemporalAttention" (STA, Fu et al. 2019) or "AveragePooling".
    video.FUSION = "SpatialTemporalAttention"
    # K, stripes of the map whose frames are weighed against each other; must divide its height (STA 4).
    video.NUM_PARTS = 4
    # Weight of STA's inter-frame regularisation; its paper's value is not known to us. Ours; 0 = none.
    video.REG_WEIGHT = 0.001
    # The backbone's feature that is fused.
    video.IN_FEATURE = "res5"
    # Length of the embedding.
    video.EMBED_DIM = 1024
    # Of the batch-hard triplets, in units of cosine.
    video.TRIPLET_MARGIN = 0.3


def _add_test_config(cfg: CN) -> None:
    reid = cfg.TEST.REID = CN()
    # Average precision of re-identification: "step" (most code) or "trapezoid" (the authors' own of Market-1501, MARS).
    reid.AP = "step"
    # Also rank galleries of one image for each person, ten times, as the classic evaluation of CUHK03 does.
    reid.SINGLE_SHOT = False
    # Also give figures after k-reciprocal re-ranking (Zhong et al. 2017); the numbers are the published ones.
    reid.RERANK = CN({"ENABLED": False})
    # Neighbours that a row is described by, neighbours whose descriptions are averaged, and the share of the distance
    # itself, in [0, 1].
    reid.RERANK.K1 = 20
    reid.RERANK.K2 = 6
    reid.RERANK.WEIGHT = 0.3
