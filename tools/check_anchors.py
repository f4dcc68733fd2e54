"""How well the anchors of a configuration fit the people of its training sets, by height.

A region proposal network learns from anchors that overlap a person by an IoU of 0.7 or that fit best; where the best
overlaps are low, people are rarely found. What helps, in this order: larger images (INPUT.MIN_SIZE_*, MAX_SIZE_*),
anchors of the right sizes and shapes (MODEL.ANCHOR_GENERATOR), a finer feature map (MODEL.VGG.STRIDE 8, or an FPN).

Examples:
    python tools/check_anchors.py --config-file configs/real_small/inet.yaml
    python tools/check_anchors.py --config-file C INPUT.MIN_SIZE_TEST 1080 INPUT.MAX_SIZE_TEST 1920

Images have their testing size, and heights are in pixels of the resized image. Exit status: 0, or 2 when the
configuration or the data set does not fit.
"""

import argparse
import sys
from collections.abc import Sequence
from itertools import pairwise

import inet_d2  # noqa: F401  # isort: skip  (first: it keeps a warning of fvcore back)
import numpy as np
import torch
from detectron2.config import CfgNode
from detectron2.modeling import build_anchor_generator, build_backbone
from detectron2.structures import Boxes, pairwise_iou

from inet_d2.command_line import exit_status, split_options
from inet_d2.data.datasets import load_records
from inet_d2.data.person_mapper import are_nonempty, transform_boxes
from inet_d2.data.records import annotation_boxes, people_of
from inet_d2.data.resize import build_augmentations
from inet_d2.engine import load_config
from inet_d2.engine.model_parts import explained_parts

EDGES = (16, 32, 64, 128, 256)  # pixels of the network's frame


def parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    words, opts = split_options(arguments)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config-file", required=True, metavar="C")
    parser.add_argument(
        "--frames", type=int, default=500, metavar="N", help="look at so many, evenly spaced (default 500)"
    )
    options = parser.parse_args(words)
    if options.frames < 1:
        parser.error(f"--frames: expected at least 1, found {options.frames}")
    options.opts = opts
    return options


def best_overlaps(cfg: CfgNode, frames: int) -> tuple[np.ndarray, np.ndarray]:
    """Heights of the people of DATASETS.TRAIN, and how well their best anchors overlap them.

    Args:
        cfg: configuration.
        frames: at most so many are looked at.

    Returns:
        (n,) float64 pixels of the network's frame, and (n,) float64 IoU in [0, 1].

    Raises:
        ValueError: the configuration does not fit, or the data sets have nobody.
    """
    records = [record for name in cfg.DATASETS.TRAIN for record in load_records(name, with_sizes=True)]
    records = [record for record in records if people_of(record)]
    if not records:
        raise ValueError(f"DATASETS.TRAIN: expected images with people, found none in {tuple(cfg.DATASETS.TRAIN)}")
    with explained_parts(cfg):
        backbone = build_backbone(cfg)
        shapes = [backbone.output_shape()[name] for name in cfg.MODEL.RPN.IN_FEATURES]
        generator = build_anchor_generator(cfg, shapes)
    augmentation, heights, overlaps = build_augmentations(cfg, is_train=False)[0], [], []
    for place in np.unique(np.linspace(0, len(records) - 1, min(frames, len(records))).astype(int)):
        record = records[place]
        size = (record["height"], record["width"])
        transform = augmentation.get_transform(np.broadcast_to(np.uint8(0), (*size, 3)))
        corner = transform.apply_coords(np.array([[size[1], size[0]]], dtype=np.float64))[0]
        new_size = (round(corner[1]), round(corner[0]))
        boxes = transform_boxes(annotation_boxes(people_of(record)), transform, new_size)
        boxes = boxes[are_nonempty(boxes)]
        maps = [torch.empty(1, 1, *(-(-side // shape.stride) for side in new_size)) for shape in shapes]
        anchors = Boxes.cat(generator(maps))
        overlaps.append(pairwise_iou(Boxes(torch.from_numpy(boxes).float()), anchors).amax(dim=1).double().numpy())
        heights.append(boxes[:, 3] - boxes[:, 1])
    return np.concatenate(heights), np.concatenate(overlaps)


def fit_table(heights: np.ndarray, overlaps: np.ndarray) -> str:
    """People by height, the median of their best overlaps, and the shares that reach 0.5 and 0.7, as Markdown."""
    lines = ["| height | people | best IoU, median | at least 0.5 | at least 0.7 |", "|---|---:|---:|---:|---:|"]
    rows = [(f"{low} to {high}", (heights >= low) & (heights < high)) for low, high in pairwise((0, *EDGES))]
    rows += [(f"{EDGES[-1]} and more", heights >= EDGES[-1]), ("all", heights >= 0)]
    for name, chosen in rows:
        if chosen.any():
            found = overlaps[chosen]
            cells = f"{len(found)} | {np.median(found):.2f} | {(found >= 0.5).mean():.0%} | {(found >= 0.7).mean():.0%}"
            lines.append(f"| {name} | {cells} |")
    return "\n".join(lines)


def run(options: argparse.Namespace) -> None:
    """Measure and print."""
    cfg = load_config(options.config_file, options.opts)
    heights, overlaps = best_overlaps(cfg, options.frames)
    low, middle, high = np.percentile(heights, [5, 50, 95])
    print(f"{len(heights)} people, {low:.0f}, {middle:.0f} and {high:.0f} pixels high (5 %, half, 95 %)\n")
    print(fit_table(heights, overlaps))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tool."""
    options = parse_arguments(sys.argv[1:] if arguments is None else arguments)
    return exit_status("check_anchors", lambda: run(options))


if __name__ == "__main__":
    sys.exit(main())
