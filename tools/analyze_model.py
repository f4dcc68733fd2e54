r"""Count what a model costs, part by part: parameters, multiply-adds and activations for one image. Needs no data.

Examples:
    python tools/analyze_model.py --config-file configs/CUHK-SYSU/inet_vgg16.yaml
    python tools/analyze_model.py --config-file configs/demo/inet.yaml --depth 3 --size 600 1000 --json cost.json
    python tools/analyze_model.py --config-file configs/CUHK-SYSU/inet_r50_fpn.yaml MODEL.ROI_REID_HEAD.EMBED_DIM 128

The model is built on the CPU with random weights and searches one image of noise. What follows the proposals is
counted for the regions and detections that there were, which the last line tells; trained weights detect fewer.
Exit status: 0, or 2 when an argument or a file does not fit.
"""

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import inet_d2  # noqa: F401  # isort: skip  (first: it keeps a warning of fvcore back)
import torch
from detectron2.config import CfgNode
from fvcore.nn import ActivationCountAnalysis, FlopCountAnalysis
from torch import Tensor, nn

from inet_d2.command_line import exit_status, split_options
from inet_d2.engine import INetTrainer, load_config
from inet_d2.files import check_output, write_json

# They compare and choose; fvcore has no count for them, and none is needed beside convolutions.
UNCOUNTED = ("torchvision::nms", "torchvision::roi_pool", "torchvision::roi_align")


class OneImage(nn.Module):
    """A model as a function of one tensor, which is what fvcore traces.

    Args:
        model: in evaluation mode; gets a box as large as the image where it cannot detect.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self.num_detections = 0
        self.detects = getattr(model, "trains_on", None) != "crops"

    def forward(self, image: Tensor) -> Tensor:
        """Boxes of one (3, H, W) image, (n, 4)."""
        height, width = image.shape[-2:]
        inputs = {"image": image, "height": height, "width": width}
        if not self.detects:
            inputs["gallery_boxes"] = image.new_tensor([[0, 0, width, height]])
        found = self.model.inference([inputs], do_postprocess=False)[0]
        self.num_detections = len(found)
        return found.pred_embeddings if found.has("pred_embeddings") else found.pred_boxes.tensor


def image_size(cfg: CfgNode, size: Sequence[int] | None, *, detects: bool) -> tuple[int, int]:
    """(height, width): what is asked for, a crop of the first stage, or a frame of 4 : 3 at the testing size.

    Raises:
        ValueError: a side is not positive.
    """
    if size is None and not detects:
        return tuple(cfg.INPUT.PERSON_CROP.SIZE)
    if size is None:
        short = cfg.INPUT.MIN_SIZE_TEST
        return short, round(short * 4 / 3)
    if min(size) < 1:
        raise ValueError(f"--size: expected a height and a width of at least 1 pixel, found {size[0]} {size[1]}")
    return size[0], size[1]


def analyse(cfg: CfgNode, *, size: Sequence[int] | None, depth: int) -> dict[str, Any]:
    """Count the parts of the model that a configuration describes.

    Args:
        cfg: configuration; its weights are not read.
        size: (height, width) of the image, or None for the configuration's.
        depth: of the parts: 1 for the backbone and its like, 2 for their parts.

    Returns:
        ``size``, ``detections``, and in ``parts``, by name ("" for the model): ``parameters``, ``trainable``, ``flops``
        (multiply-adds) and ``activations`` (outputs of convolutions and matrix products).

    Raises:
        ValueError: the configuration does not fit, or ``size`` or ``depth`` is not positive.
    """
    if depth < 1:
        raise ValueError(f"--depth: expected at least 1, found {depth}")
    cfg.MODEL.DEVICE = "cpu"
    torch.manual_seed(0)
    adapter = OneImage(INetTrainer.build_model(cfg).eval())
    height, width = image_size(cfg, size, detects=adapter.detects)
    image = torch.randint(0, 256, (3, height, width)).float()
    return {
        "size": [height, width],
        "parts": count_parts(adapter, image, depth=depth),
        "detections": adapter.num_detections,
    }


def count_parts(adapter: OneImage, image: Tensor, *, depth: int) -> dict[str, dict[str, int]]:
    """What :func:`analyse` has in ``parts``, of a model that is there and an image (3, H, W)."""
    logging.getLogger("fvcore").setLevel(logging.ERROR)  # what it leaves out is said in the help
    counts = {}
    for name, kind in (("flops", FlopCountAnalysis), ("activations", ActivationCountAnalysis)):
        analysis = kind(adapter, image).set_op_handle(**dict.fromkeys(UNCOUNTED))
        counts[name] = analysis.unsupported_ops_warnings(False).tracer_warnings("none").by_module()
    parts = {}
    for name, module in adapter.model.named_modules():
        if name.count(".") >= depth:
            continue
        key = f"model.{name}".rstrip(".")
        parameters = list(module.parameters())
        parts[name] = {
            "parameters": sum(p.numel() for p in parameters),
            "trainable": sum(p.numel() for p in parameters if p.requires_grad),
            **{kind: int(found[key]) for kind, found in counts.items()},
        }
    return parts


def format_parts(found: dict[str, Any]) -> str:
    """The counts as a Markdown table, in millions."""
    parts = {name: counts for name, counts in found["parts"].items() if any(counts.values())}
    width = max(len("whole model"), *map(len, parts))
    titles = ("parameters", "trainable", "flops", "activations")
    lines = [f"| {'millions':<{width}} |" + "".join(f" {title:>12} |" for title in titles)]
    lines.append(f"| {'-' * width} |" + f" {'-' * 11}: |" * len(titles))
    for name, counts in parts.items():
        cells = "".join(f" {counts[title] / 1e6:12,.3f} |" for title in titles)
        lines.append(f"| {name or 'whole model':<{width}} |{cells}")
    height, across = found["size"]
    lines.append(f"One image of {height} x {across} pixels, {found['detections']} detections.")
    return "\n".join(lines)


def run(options: argparse.Namespace) -> None:
    """Count, print and write.

    Raises:
        OSError, ValueError: see :func:`analyse`.
    """
    if options.json:
        check_output(options.json, "--json", [options.config_file])
    found = analyse(load_config(options.config_file, options.opts), size=options.size, depth=options.depth)
    print(format_parts(found))
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        write_json(options.json, found)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tool; the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        usage="%(prog)s --config-file FILE [options] [KEY VALUE ...]",
    )
    parser.add_argument("--config-file", required=True, metavar="FILE", help="of the model")
    parser.add_argument("--size", nargs=2, type=int, metavar=("H", "W"), help="of the image (default: as in testing)")
    parser.add_argument("--depth", type=int, default=2, help="of the parts (default: 2)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the counts there, too, not in millions")
    words, opts = split_options(sys.argv[1:] if arguments is None else arguments)
    options = parser.parse_args(words, argparse.Namespace(opts=opts))
    return exit_status("analyze_model", lambda: run(options))


if __name__ == "__main__":
    sys.exit(main())
