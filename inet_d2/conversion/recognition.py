"""Whose file is it? By the names of its entries."""

import re
from collections.abc import Mapping

from torch import Tensor

from inet_d2.conversion import backbones, peers
from inet_d2.conversion.conversion import Conversion

LAYOUTS = ("c4", "fpn")


def convert(entries: Mapping[str, Tensor], author: str, layout: str) -> Conversion:
    """Give every entry the name that it has in our models.

    Args:
        entries: tensors by the name in the file.
        author: who published a .pkl, or "".
        layout: where a ResNet goes: "c4" has the fifth stage in the ROI heads, "fpn" all under the pyramid.

    Raises:
        ValueError: the names are of none of the known kinds, or of a model that we do not have.
    """
    # Other projects first: their backbones have names that pass for Detectron2's.
    peers.refuse_foreign(entries)
    if peers.is_nae_or_seqnet(entries):
        return peers.convert_nae_or_seqnet(entries)
    if "features.0.weight" in entries:
        return backbones.convert_torchvision_vgg16(entries)
    if any(re.match(r"conv1_1[._/]", name) for name in entries):
        return backbones.convert_caffe_vgg16(entries)
    if "layer1.0.conv1.weight" in entries:
        return backbones.convert_torchvision_resnet(entries, layout)
    if "conv1_w" in entries:
        return backbones.convert_caffe2_resnet(entries, layout)
    if any(re.match(r"(backbone|stem|res\d)\.", name) for name in entries):
        return backbones.convert_detectron2(entries, author, layout)
    raise ValueError(
        "expected the names of torchvision's VGG16 or ResNet, of Caffe's VGG16, of Detectron2 or of its ImageNet "
        f"models, of NAE or of SeqNet, found {', '.join(list(entries)[:4]) or 'no arrays'}"
    )
