"""Checkpoints of other person-search projects: NAE and SeqNet are converted, others are told apart and refused."""

import re
from collections.abc import Mapping

from torch import Tensor

from inet_d2.conversion.backbones import torchvision_name
from inet_d2.conversion.conversion import Conversion

_NAE_HEAD = "roi_heads.embedding_head.rescaler.weight"
_COUNTER = "num_batches_tracked"
# Class 0 is background there, and the last class is it in Detectron2; the person's boxes are rows 4 to 7.
_PERSON_FIRST, _PERSON_BOX = (1, 0), (4, 5, 6, 7)
_RPN = {
    "rpn.head.conv.": "conv.",
    "rpn.head.conv.0.0.": "conv.",  # torchvision 0.13 and later
    "rpn.head.cls_logits.": "objectness_logits.",
    "rpn.head.bbox_pred.": "anchor_deltas.",
}
_EMBEDDING = {
    "roi_heads.embedding_head.projectors.feat_res4.": "roi_heads.reid_head.pooled_projector.",
    "roi_heads.embedding_head.projectors.feat_res5.": "roi_heads.reid_head.region_projector.",
    "roi_heads.embedding_head.rescaler.": "roi_heads.reid_head.rescaler.",
}
_NAE = {
    "roi_heads.box_head.layer4.": "roi_heads.res5.",
    "roi_heads.box_predictor.bbox_pred.0.": "roi_heads.box_predictor.bbox_pred.",
    "roi_heads.box_predictor.bbox_pred.1.": "roi_heads.box_predictor.box_norm.",
}
_SEQNET = {
    "roi_heads.box_head.layer4.": "roi_heads.res5.",
    "roi_heads.reid_head.layer4.": "roi_heads.reid_res5.",
    "roi_heads.faster_rcnn_predictor.cls_score.": "roi_heads.box_predictor.cls_score.",
    "roi_heads.faster_rcnn_predictor.bbox_pred.": "roi_heads.box_predictor.bbox_pred.",
    "roi_heads.box_predictor.bbox_pred.0.": "roi_heads.reid_predictor.bbox_pred.",
    "roi_heads.box_predictor.bbox_pred.1.": "roi_heads.reid_predictor.box_norm.",
}
_LOSS_STATE = re.compile(r"roi_heads\.(reid_loss|feature_memory)\.")
_LOSS_REASON = "state of its OIM loss; the queue's position is not in the file, so training cannot go on from it"
# What tells a project apart, and why its model is none of ours.
_REFUSED = (
    (r"roi_heads\.embedding_head_2nd\.", "COAT", "its heads are transformers, in three stages"),
    (r"(gfn|roi_heads\.score_predictor)[._]", "SeqNeXt or GFN", "its second head classifies with a layer of its own"),
    (r"bbox_head\.(?=.*reid|.*oim)", "AlignPS", "it has no proposals and needs deformable convolutions"),
    (
        r"backbone\.SpatialConvolution_0\.",
        "serend1p1ty's OIM",
        "its ResNet is Caffe's with the batch norm behind the sum of a block, which Detectron2's has not",
    ),
)


def refuse_foreign(entries: Mapping[str, Tensor]) -> None:
    """Refuse what would be converted by half.

    Raises:
        ValueError: the file is of a project whose model this one does not have.
    """
    for pattern, project, reason in _REFUSED:
        if any(re.match(pattern, name) for name in entries):
            raise ValueError(f"it is a checkpoint of {project}, which cannot be converted: {reason}")


def is_nae_or_seqnet(entries: Mapping[str, Tensor]) -> bool:
    """Whether the names are those of NAE or SeqNet."""
    return _NAE_HEAD in entries


def convert_nae_or_seqnet(entries: Mapping[str, Tensor]) -> Conversion:
    """Give the entries of NAE's or SeqNet's checkpoint their names in ``NAEROIHeads`` or ``SeqROIHeads``.

    Args:
        entries: tensors by the name in the file.

    Returns:
        The conversion; every entry is used or has a reason.

    Raises:
        ValueError: a name is of neither.
    """
    is_seqnet = any(name.startswith("roi_heads.reid_head.layer4.") for name in entries)
    prefixes = {**{old: f"proposal_generator.rpn_head.{new}" for old, new in _RPN.items()}, **_EMBEDDING}
    prefixes |= _SEQNET if is_seqnet else _NAE
    project = "SeqNet" if is_seqnet else "NAE"
    expected = f"configs/CUHK-SYSU/{project.lower()}_r50.yaml, or the one for PRW"
    conversion = Conversion(project, expected, {}, {}, whole=True)
    for name, value in entries.items():
        if _LOSS_STATE.match(name):
            conversion.unused[name] = _LOSS_REASON
        elif name.endswith(_COUNTER):
            conversion.unused[name] = "a counter of batches, which plays no part"
        elif not is_seqnet and name.startswith("roi_heads.box_predictor.cls_score."):
            conversion.unused[name] = "it plays no part in NAE either"
        else:
            conversion.names[name] = _new_name(name, prefixes, project)
            rows = _rows(name, value)
            if rows is not None:
                conversion.rows[name] = rows
    return conversion


def _new_name(name: str, prefixes: Mapping[str, str], project: str) -> str:
    if name.startswith("backbone."):
        return f"backbone.{torchvision_name(name.removeprefix('backbone.'))}"
    old = max((prefix for prefix in prefixes if name.startswith(prefix)), key=len, default=None)
    if old is None:
        raise ValueError(f"expected the names of {project}, found {name} beside them")
    rest = name.removeprefix(old)
    if ".layer4." in f".{old}":
        rest = torchvision_name(f"layer4.{rest}").removeprefix("res5.")
    return prefixes[old] + rest


def _rows(name: str, value: Tensor) -> tuple[int, ...] | None:
    """Which rows of an output layer are taken; None for all."""
    if name.startswith("roi_heads.faster_rcnn_predictor.cls_score."):
        return _PERSON_FIRST
    if re.match(r"roi_heads\.(faster_rcnn_predictor|box_predictor)\.bbox_pred\.", name) and value.shape[:1] == (8,):
        return _PERSON_BOX
    return None
