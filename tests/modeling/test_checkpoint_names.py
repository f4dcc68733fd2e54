"""Names in a checkpoint: what has been trained must load again, whichever room a part moves to."""

import torch
from detectron2.modeling import build_model

LINEAR = ("weight", "bias")
NORM = (*LINEAR, "running_mean", "running_var", "num_batches_tracked")
RING = ("embeddings", "pids", "pointer", "fill")
CONVOLUTIONS = ("1_1", "1_2", "2_1", "2_2", "3_1", "3_2", "3_3", "4_1", "4_2", "4_3", "5_1", "5_2", "5_3")


def named(*parts):
    """named(("fc1", LINEAR), ...) -> {"fc1.weight", "fc1.bias", ...}."""
    return {f"{prefix}.{name}" for prefix, names in parts for name in names}


EVERY_LOSS = named(
    ("roi_heads.identity_losses.dictionary", RING),
    ("roi_heads.identity_losses.classifier", LINEAR),
    ("roi_heads.identity_losses.terms.oim", ["lookup_table"]),
    ("roi_heads.identity_losses.terms.oim.queue", RING),
    ("roi_heads.identity_losses.terms.verification", LINEAR),
)
INET = named(
    *((f"backbone.stack{name[0]}.conv{name}", LINEAR) for name in CONVOLUTIONS),
    *((f"proposal_generator.rpn_head.{name}", LINEAR) for name in ("conv", "objectness_logits", "anchor_deltas")),
    *((f"roi_heads.box_head.{name}", LINEAR) for name in ("fc1", "fc2")),
    *((f"roi_heads.box_predictor.{name}", LINEAR) for name in ("cls_score", "bbox_pred")),
    ("roi_heads.reid_head.embedding", LINEAR),
    ("roi_heads.reid_head.norm", NORM),
    *((f"roi_heads.reid_head.fc.{name}", LINEAR) for name in ("fc1", "fc2")),
)


def test_names_of_inet_with_every_loss_and_option(tiny_cfg):
    reid = tiny_cfg.MODEL.ROI_REID_HEAD
    reid.NORM, reid.SEPARATE_FC = "BN", True
    for name in ("SOFTMAX", "RANDOM_SOFTMAX", "OIM", "TRIPLET", "VERIFICATION"):
        reid[name].ENABLED = True
    state = build_model(tiny_cfg).state_dict()
    anchors = {name for name in state if "anchor_generator" in name}  # engines differ: buffers, or not
    assert set(state) - anchors == INET | EVERY_LOSS
    shapes = {name: tuple(x.shape) for name, x in state.items() if "identity_losses" in name}
    prefix = "roi_heads.identity_losses."
    assert shapes[f"{prefix}classifier.weight"] == (reid.NUM_PIDS + 1, reid.EMBED_DIM)
    assert shapes[f"{prefix}terms.oim.lookup_table"] == (reid.NUM_PIDS, reid.EMBED_DIM)
    assert shapes[f"{prefix}dictionary.embeddings"] == (reid.DICTIONARY.SIZE, reid.EMBED_DIM)
    assert {x.dtype for name, x in state.items() if name.endswith((".pids", ".pointer", ".fill"))} == {torch.int64}
