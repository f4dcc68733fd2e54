r"""Turn published weights into a MODEL.WEIGHTS file for the models of inet_d2.

Reads the checkpoints of NAE and SeqNet (.pth, also those that Python 2 wrote), torchvision's VGG16 and ResNet files
(.pth), a VGG16 with Caffe's names, and Detectron2's published files (.pkl), also those of ImageNet that have Caffe2's
names. Nothing in a file is run, and nothing is downloaded. Every name of the file that is not used and, with
--config-file, every entry of the model that is not filled is listed. What would be converted by half is refused.

Examples:
    python tools/convert_weights.py vgg16-397923af.pth vgg16.pth --config-file configs/CUHK-SYSU/inet_vgg16.yaml
    python tools/convert_weights.py resnet50-0676ba61.pth r50_c4.pth
    python tools/convert_weights.py epoch_19.pth seqnet.pth --config-file configs/CUHK-SYSU/seqnet_r50.yaml
    python tools/convert_weights.py resnet50-19c8e357.pth r50.pth --config-file configs/CUHK-SYSU/seqnet_r50.yaml
    python tools/convert_weights.py R-50.pkl r50_fpn.pth --layout fpn
    python tools/convert_weights.py model_final_721ade.pkl r50_c4.pth --config-file configs/CUHK-SYSU/inet_r50_c4.yaml

The last lines say which mean, deviation, channel order and stride the weights expect, as KEY VALUE pairs for
train_net.py. Exit status: 0, or 2 when an argument or a file does not fit.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import inet_d2  # noqa: F401  # isort: skip  (first: it keeps a warning of fvcore back)
import torch
from detectron2.modeling import build_model

from inet_d2.command_line import exit_status
from inet_d2.conversion import LAYOUTS, convert, fill_copies, fit, read_weights, rename
from inet_d2.engine import load_config
from inet_d2.files import check_output, written_aside


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
    check_output(options.output, "output", [options.input])
    entries, author = read_weights(options.input)
    architecture, shapes = model_shapes(options.config_file) if options.config_file else ("", {})
    is_fpn = any(name.startswith("backbone.bottom_up.") for name in shapes)
    try:
        conversion = convert(entries, author, options.layout or LAYOUTS[is_fpn])
        if shapes:
            fit(entries, conversion, shapes)
    except ValueError as error:
        raise ValueError(f"{options.input}: {error}") from error
    if not conversion.names:
        name, reason = next(iter(conversion.unused.items()))
        raise ValueError(f"{options.input}: nothing fits {options.config_file}, for example {name}: {reason}")
    weights = rename(entries, conversion)
    fill_copies(weights, shapes)
    with written_aside(options.output) as aside:
        torch.save({"model": weights}, aside)
    used = len(conversion.names)
    print(f"{options.output}: {used} of the {len(entries)} entries of {options.input} ({conversion.kind})")
    print_names("Not used", [f"{name}: {reason}" for name, reason in sorted(conversion.unused.items())])
    if shapes:
        model = f"Not filled in {architecture} of {options.config_file}"
        print_names(model, [name for name in shapes if name not in weights])
    print(f"These weights expect {conversion.expected}")


def print_names(title: str, names: list[str]) -> None:
    """A title with a count, and one line for each name."""
    print("\n  ".join([f"{title}: {len(names)}", *names]))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tool."""
    options = parse_arguments(arguments)
    return exit_status("convert_weights", lambda: run(options))


if __name__ == "__main__":
    sys.exit(main())
