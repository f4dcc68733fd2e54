r"""Turn published weights into a MODEL.WEIGHTS file for the models of inet_d2.

Reads torchvision's VGG16 and ResNet files (.pth; Caffe's VGG16 with the same names too), and Detectron2's published
files (.pkl), also those of ImageNet that have Caffe2's names. Nothing is downloaded. Every name of the file that is
not used and, with --config-file, every entry of the model that is not filled is listed.

Examples:
    python tools/convert_weights.py vgg16-397923af.pth vgg16.pth --config-file configs/CUHK-SYSU/inet_vgg16.yaml
    python tools/convert_weights.py resnet50-0676ba61.pth r50_c4.pth
    python tools/convert_weights.py R-50.pkl r50_fpn.pth --layout fpn
    python tools/convert_weights.py model_final_721ade.pkl r50_c4.pth --config-file configs/CUHK-SYSU/inet_r50_c4.yaml

The last lines say which mean, deviation, channel order and stride the weights expect, as KEY VALUE pairs for
train_net.py. Exit status: 0, or 2 when an argument or a file does not fit.
"""

import argparse
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from pickle import PickleError, Unpickler, UnpicklingError

import inet_d2  # noqa: F401  # isort: skip  (first: it keeps a warning of fvcore back)
import numpy as np
import torch
from detectron2.modeling import build_model
from torch import Tensor

from inet_d2.command_line import exit_status
from inet_d2.engine import load_config
from inet_d2.files import written_aside
from inet_d2.modeling.backbone.vgg import DEPTHS

LAYOUTS = ("c4", "fpn")
# What pickle and torch raise for files that are cut off or are none of theirs.
UNREADABLE = (AttributeError, EOFError, ImportError, LookupError, RuntimeError, TypeError, ValueError, PickleError)
OUTSIDE = "no part of our detectors"
# torchvision's vgg16.features: the index of every convolution, in order, when ReLUs and poolings count too.
VGG_INDICES = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)
VGG_NAMES = [f"stack{s}.conv{s}_{n}" for s, depth in enumerate(DEPTHS, start=1) for n in range(1, depth + 1)]
CAFFE2_BRANCHES = {"1": "shortcut", "2a": "conv1", "2b": "conv2", "2c": "conv3"}
# Detectron's files and Detectron2's name batch norms differently. Biases of convolutions are there, and next to zero.
CAFFE2_ENDINGS = {
    "w": "weight", "bn_s": "norm.weight", "bn_b": "norm.bias", "bn_gamma": "norm.weight", "bn_beta": "norm.bias",
    "bn_rm": "norm.running_mean", "bn_riv": "norm.running_var",
    "bn_running_mean": "norm.running_mean", "bn_running_var": "norm.running_var",
}  # fmt: skip
RGB = "INPUT.FORMAT RGB MODEL.PIXEL_MEAN [123.675,116.28,103.53] MODEL.PIXEL_STD [58.395,57.12,57.375]"
BGR = "INPUT.FORMAT BGR MODEL.PIXEL_STD [1.0,1.0,1.0] MODEL.PIXEL_MEAN "
MSRA = f"{BGR}[103.53,116.28,123.675] MODEL.RESNETS.STRIDE_IN_1X1 True"
EXPECTED = {
    "vgg": f"{RGB}\nor, if they are Caffe's, which have the same names, {BGR}[102.9801,115.9465,122.7717]",
    "torchvision": f"{RGB} MODEL.RESNETS.STRIDE_IN_1X1 False",
    "msra": MSRA,
    "detectron2": f"what their model was trained with, for Detectron2's own ResNet-50 models {MSRA}",
}


@dataclass
class Conversion:
    """What becomes of a file: a key of ``EXPECTED``, new names, and reasons not to use the others, by old name."""

    expected: str
    names: dict[str, str]
    unused: dict[str, str]


class ArrayUnpickler(Unpickler):
    """Reads pickled numpy arrays and nothing that could run code."""

    ALLOWED = frozenset({"_reconstruct", "scalar", "ndarray", "dtype", "_frombuffer"})

    def find_class(self, module: str, name: str) -> object:
        """The few functions that make up an array, an OrderedDict and Python 2's bytes."""
        if module.split(".")[0] == "numpy" and name in self.ALLOWED:
            return super().find_class(module, name)
        if (module, name) in (("collections", "OrderedDict"), ("_codecs", "encode")):
            return super().find_class(module, name)
        raise UnpicklingError(f"it contains {module}.{name}")


def read_file(path: Path) -> tuple[dict[str, Tensor], str]:
    """Read the entries of a file.

    Args:
        path: a .pkl of numpy arrays, or anything that torch.load reads.

    Returns:
        Tensors by name, and the author that a published .pkl names ("" if it names none).

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it cannot be read, or holds something else than named arrays.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: expected a file of weights, found none; download it first")
    try:
        with path.open("rb") as file:
            if path.suffix == ".pkl":
                content = ArrayUnpickler(file, encoding="latin1").load()
            else:
                content = torch.load(file, map_location="cpu", weights_only=True)
    except UNREADABLE as error:
        reason = str(error).partition("\n")[0] if isinstance(error, PickleError) else type(error).__name__
        raise ValueError(f"{path}: expected named arrays, found a file that cannot be read ({reason:.120})") from error
    author = content.get("__author__", "") if isinstance(content, dict) else ""
    for key in ("model", "state_dict", "blobs"):
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    if not isinstance(content, dict):
        raise ValueError(f"{path}: expected named arrays, found a {type(content).__name__}")
    values = {name.removeprefix("module."): v for name, v in content.items() if isinstance(v, np.ndarray | Tensor)}
    return {name: torch.as_tensor(value) for name, value in values.items()}, str(author)


def convert(entries: dict[str, Tensor], author: str, layout: str) -> Conversion:
    """Give every entry the name that it has in our models.

    Args:
        entries: tensors by the name in the file.
        author: who published a .pkl, or "".
        layout: where a ResNet goes: "c4" has the fifth stage in the ROI heads, "fpn" all under the pyramid.

    Raises:
        ValueError: the names are of none of the known kinds.
    """
    if "features.0.weight" in entries:
        return convert_vgg16(entries)
    if "layer1.0.conv1.weight" in entries:
        return convert_resnet(entries, "torchvision", torchvision_name, layout)
    if "conv1_w" in entries:
        return convert_resnet(entries, "msra", caffe2_name, layout)
    if any(re.match(r"(backbone|stem|res\d)\.", name) for name in entries):
        kind = "torchvision" if author == "torchvision" else "detectron2"
        return convert_resnet(entries, kind, str, layout)
    raise ValueError(
        "expected the names of torchvision's VGG16 or ResNet, of Detectron2 or of its ImageNet models, found "
        f"{', '.join(list(entries)[:4]) or 'no arrays'}"
    )


def convert_vgg16(entries: dict[str, Tensor]) -> Conversion:
    """The convolutions go to the backbone, fc6 and fc7 to the box head.

    Raises:
        ValueError: another member of the family.
    """
    convolutions = {int(name.split(".")[1]) for name in entries if re.fullmatch(r"features\.\d+\.weight", name)}
    if convolutions != set(VGG_INDICES):
        raise ValueError("expected the 13 convolutions of VGG16 without batch norm, found another VGG")
    layers = {f"features.{i}": f"backbone.{name}" for i, name in zip(VGG_INDICES, VGG_NAMES, strict=True)}
    layers |= {"classifier.0": "roi_heads.box_head.fc1", "classifier.3": "roi_heads.box_head.fc2"}
    parts = {name: name.rpartition(".") for name in entries}
    names = {name: f"{layers[layer]}.{kind}" for name, (layer, _, kind) in parts.items() if layer in layers}
    return Conversion("vgg", names, dict.fromkeys(entries.keys() - names.keys(), OUTSIDE))


def torchvision_name(name: str) -> str:
    """Detectron2's name of an entry of torchvision's ResNet, without prefix; "" if Detectron2 has none."""
    if name.startswith("fc.") or name.endswith("num_batches_tracked"):
        return ""
    name = re.sub(r"^layer(\d)", lambda match: f"res{int(match[1]) + 1}", name)
    name = name.replace("downsample.0", "shortcut").replace("downsample.1", "shortcut.norm")
    name = re.sub(r"\bbn(\d)", r"conv\1.norm", name)
    return name if name.startswith("res") else f"stem.{name}"


def caffe2_name(name: str) -> str:
    """The same for the names of Caffe2."""
    match = re.fullmatch(r"(?:res(\d)_(\d+)_branch(1|2[abc])|(?:res_)?conv1)_(.+)", name)
    if not match or match[4] not in CAFFE2_ENDINGS:
        return ""
    layer = f"res{match[1]}.{match[2]}.{CAFFE2_BRANCHES[match[3]]}" if match[1] else "stem.conv1"
    return f"{layer}.{CAFFE2_ENDINGS[match[4]]}"


def convert_resnet(
    entries: dict[str, Tensor], expected: str, new_name: Callable[[str], str], layout: str
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
    return Conversion(expected, names, dict.fromkeys(entries.keys() - names.keys(), OUTSIDE))


def rename(entries: dict[str, Tensor], conversion: Conversion) -> dict[str, Tensor]:
    """The used entries under their new names.

    ImageNet's files with Caffe2's names have the statistics of a batch norm folded into its weight and bias; those
    that then change nothing are added.
    """
    weights = {target: entries[source].float() for source, target in conversion.names.items()}
    for name in [name for name in weights if name.endswith("norm.weight")]:
        shape, norm = weights[name].shape, name.removesuffix("weight")
        weights.setdefault(f"{norm}running_mean", torch.zeros(shape))
        weights.setdefault(f"{norm}running_var", torch.full(shape, 1 - 1e-5))
    return weights


def model_shapes(config_file: str) -> tuple[str, dict[str, tuple[int, ...]]]:
    """Name of the model that a configuration describes, and the shapes of its entries; takes no memory for weights.

    Raises:
        FileNotFoundError, ValueError: see ``load_config``.
    """
    cfg = load_config(config_file)
    cfg.MODEL.DEVICE = "meta"
    with torch.device("meta"):
        model = build_model(cfg)
    return cfg.MODEL.META_ARCHITECTURE, {name: tuple(value.shape) for name, value in model.state_dict().items()}


def fit(entries: dict[str, Tensor], conversion: Conversion, shapes: dict[str, tuple[int, ...]]) -> None:
    """Move what the model lacks, or has in another shape, to the unused entries."""
    for source, target in list(conversion.names.items()):
        shape = tuple(entries[source].shape)
        if shape != shapes.get(target):
            del conversion.names[source]
            has = f"has {shapes[target]} in {target}" if target in shapes else f"has no {target}"
            conversion.unused[source] = f"it is {shape}, and the model {has}"


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("input", type=Path, help="published weights: .pth or .pkl")
    parser.add_argument("output", type=Path, help="file to write: .pth")
    parser.add_argument("--config-file", metavar="FILE", help="compare names and shapes with this model")
    parser.add_argument("--layout", choices=LAYOUTS, help="of a ResNet without --config-file (default: c4)")
    options = parser.parse_args(arguments)
    if options.layout and options.config_file:
        parser.error("--layout: the configuration says where a ResNet goes; leave one of the two out")
    return options


def run(options: argparse.Namespace) -> None:
    """Convert a file and report.

    Raises:
        OSError, ValueError: an argument or a file does not fit; nothing has been written.
    """
    if options.output.suffix != ".pth" or not options.output.absolute().parent.is_dir():
        raise ValueError(f"{options.output}: expected a name that ends in .pth, in a folder that exists")
    entries, author = read_file(options.input)
    architecture, shapes = model_shapes(options.config_file) if options.config_file else ("", {})
    is_fpn = any(name.startswith("backbone.bottom_up.") for name in shapes)
    try:
        conversion = convert(entries, author, options.layout or LAYOUTS[is_fpn])
    except ValueError as error:
        raise ValueError(f"{options.input}: {error}") from error
    if shapes:
        fit(entries, conversion, shapes)
    if not conversion.names:
        name, reason = next(iter(conversion.unused.items()))
        raise ValueError(f"{options.input}: nothing fits {options.config_file}, for example {name}: {reason}")
    weights = rename(entries, conversion)
    with written_aside(options.output) as aside:
        torch.save({"model": weights}, aside)
    print(f"{options.output}: {len(conversion.names)} of the {len(entries)} entries of {options.input}")
    print_names("Not used", [f"{name}: {reason}" for name, reason in sorted(conversion.unused.items())])
    if shapes:
        model = f"Not filled in {architecture} of {options.config_file}"
        print_names(model, [name for name in shapes if name not in weights])
    print(f"These weights expect {EXPECTED[conversion.expected]}")


def print_names(title: str, names: list[str]) -> None:
    """A title with a count, and one line for each name."""
    print("\n  ".join([f"{title}: {len(names)}", *names]))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tool."""
    options = parse_arguments(arguments)
    return exit_status("convert_weights", lambda: run(options))


if __name__ == "__main__":
    sys.exit(main())
