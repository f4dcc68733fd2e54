"""Files of ImageNet and of detectors: VGG16 and ResNets of torchvision, Caffe and Detectron2."""

import re
from collections.abc import Callable, Mapping

from torch import Tensor

from inet_d2.conversion.conversion import OUTSIDE, Conversion

# Convolutions of VGG16 in each of its five stacks.
_VGG_DEPTHS = (2, 2, 3, 3, 3)
# torchvision's vgg16.features: the index of every convolution, in order, when ReLUs and poolings count too.
_VGG_INDICES = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)
_VGG_PLACES = [(s, n) for s, depth in enumerate(_VGG_DEPTHS, start=1) for n in range(1, depth + 1)]
_FC6, _FC7 = "roi_heads.box_head.fc1", "roi_heads.box_head.fc2"
_CAFFE_KINDS = {"weight": "weight", "w": "weight", "0": "weight", "bias": "bias", "b": "bias", "1": "bias"}
_CAFFE2_BRANCHES = {"1": "shortcut", "2a": "conv1", "2b": "conv2", "2c": "conv3"}
# Detectron's files and Detectron2's name batch norms differently. Biases of convolutions are there, and next to zero.
_CAFFE2_ENDINGS = {
    "w": "weight", "bn_s": "norm.weight", "bn_b": "norm.bias", "bn_gamma": "norm.weight", "bn_beta": "norm.bias",
    "bn_rm": "norm.running_mean", "bn_riv": "norm.running_var",
    "bn_running_mean": "norm.running_mean", "bn_running_var": "norm.running_var",
}  # fmt: skip
RGB = "INPUT.FORMAT RGB MODEL.PIXEL_MEAN [123.675,116.28,103.53] MODEL.PIXEL_STD [58.395,57.12,57.375]"
_BGR = "INPUT.FORMAT BGR MODEL.PIXEL_STD [1.0,1.0,1.0] MODEL.PIXEL_MEAN "
_CAFFE_VGG = f"{_BGR}[102.9801,115.9465,122.7717]"
_MSRA = f"{_BGR}[103.53,116.28,123.675] MODEL.RESNETS.STRIDE_IN_1X1 True"
_EXPECTED = {
    "torchvision": f"{RGB} MODEL.RESNETS.STRIDE_IN_1X1 False",
    "msra": _MSRA,
    "detectron2": f"what their model was trained with, for Detectron2's own ResNet-50 models {_MSRA}",
}


def convert_torchvision_vgg16(entries: Mapping[str, Tensor]) -> Conversion:
    """The convolutions go to the backbone, fc6 and fc7 to the box head.

    Raises:
        ValueError: another member of the family.
    """
    convolutions = {int(name.split(".")[1]) for name in entries if re.fullmatch(r"features\.\d+\.weight", name)}
    if convolutions != set(_VGG_INDICES):
        raise ValueError("expected the 13 convolutions of VGG16 without batch norm, found another VGG")
    layers = {f"features.{i}": _vgg_layer(*place) for i, place in zip(_VGG_INDICES, _VGG_PLACES, strict=True)}
    layers |= {"classifier.0": _FC6, "classifier.3": _FC7}
    parts = {name: name.rpartition(".") for name in entries}
    names = {name: f"{layers[layer]}.{kind}" for name, (layer, _, kind) in parts.items() if layer in layers}
    expected = f"{RGB}\nor, if they are Caffe's, which have the same names, {_CAFFE_VGG}"
    return Conversion("torchvision's VGG16", expected, names, dict.fromkeys(entries.keys() - names.keys(), OUTSIDE))


def convert_caffe_vgg16(entries: Mapping[str, Tensor]) -> Conversion:
    """A VGG16 with Caffe's names, of ImageNet or of py-faster-rcnn: ``conv1_1``, ..., ``fc6``, ``fc7``.

    The layers of its detector are not used: its anchors and its boxes count pixels in another way.

    Raises:
        ValueError: a convolution is missing.
    """
    layers = {f"conv{s}_{n}": _vgg_layer(s, n) for s, n in _VGG_PLACES} | {"fc6": _FC6, "fc7": _FC7}
    names = {}
    for name in entries:
        match = re.fullmatch(r"(conv\d_\d|fc[67])[._/](\w+)", name)
        if match and match[1] in layers and match[2] in _CAFFE_KINDS:
            names[name] = f"{layers[match[1]]}.{_CAFFE_KINDS[match[2]]}"
    missing = {f"{_vgg_layer(*place)}.weight" for place in _VGG_PLACES} - set(names.values())
    if missing:
        raise ValueError(f"expected the 13 convolutions of VGG16, found none for {min(missing)}")
    unused = {name: OUTSIDE for name in entries if name not in names}
    for name in unused:
        if name.startswith(("rpn", "cls_score", "bbox_pred")):
            unused[name] = "its detector has other anchors, and counts the last pixel of a box as 1 more"
    return Conversion("Caffe's VGG16", _CAFFE_VGG, names, unused)


def _vgg_layer(stack: int, number: int) -> str:
    return f"backbone.stack{stack}.conv{stack}_{number}"


def convert_torchvision_resnet(entries: Mapping[str, Tensor], layout: str) -> Conversion:
    """A ResNet of ImageNet with torchvision's names."""
    return _convert_resnet(entries, "torchvision", torchvision_name, layout)


def convert_caffe2_resnet(entries: Mapping[str, Tensor], layout: str) -> Conversion:
    """A ResNet of ImageNet with Caffe2's names, as Detectron2 publishes them."""
    conversion = _convert_resnet(entries, "msra", _caffe2_name, layout)
    conversion.folded = True
    return conversion


def convert_detectron2(entries: Mapping[str, Tensor], author: str, layout: str) -> Conversion:
    """A model with Detectron2's names, or a ResNet with those of its backbone."""
    return _convert_resnet(entries, "torchvision" if author == "torchvision" else "detectron2", str, layout)


def torchvision_name(name: str) -> str:
    """Detectron2's name of an entry of torchvision's ResNet, without prefix; "" if Detectron2 has none."""
    if name.startswith("fc.") or name.endswith("num_batches_tracked"):
        return ""
    name = re.sub(r"^layer(\d)", lambda match: f"res{int(match[1]) + 1}", name)
    name = name.replace("downsample.0", "shortcut").replace("downsample.1", "shortcut.norm")
    name = re.sub(r"\bbn(\d)", r"conv\1.norm", name)
    return name if name.startswith("res") else f"stem.{name}"


def _caffe2_name(name: str) -> str:
    match = re.fullmatch(r"(?:res(\d)_(\d+)_branch(1|2[abc])|(?:res_)?conv1)_(.+)", name)
    if not match or match[4] not in _CAFFE2_ENDINGS:
        return ""
    layer = f"res{match[1]}.{match[2]}.{_CAFFE2_BRANCHES[match[3]]}" if match[1] else "stem.conv1"
    return f"{layer}.{_CAFFE2_ENDINGS[match[4]]}"


def _convert_resnet(
    entries: Mapping[str, Tensor], kind: str, new_name: Callable[[str], str], layout: str
) -> Conversion:
    """Give the stages of a ResNet their place in a detector; names that have one keep it."""
    names = {}
    for source in entries:
        name = new_name(source)
        if re.match(r"(backbone|proposal_generator|roi_heads)\.", name):
            names[source] = name
        elif re.match(r"(stem\.conv1|res[2-5])\.", name):
            prefix = "backbone.bottom_up" if layout == "fpn" else "roi_heads" if name.startswith("res5") else "backbone"
            names[source] = f"{prefix}.{name}"
    unused = dict.fromkeys(entries.keys() - names.keys(), OUTSIDE)
    return Conversion(f"{kind}'s ResNet", _EXPECTED[kind], names, unused)
