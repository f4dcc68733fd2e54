r"""Draw what a training step sees: people with identities, and which regions become people, background or nothing.

The batches are those of the configuration's own loader, and the regions those on which its ROI heads computed their
losses. One picture for each image, in three panels: annotated people; regions of people, each identity in a colour of
its own and people without one in white; background in red, and in grey what the identity losses ignore.

Examples:
    python tools/visualize_data.py --config-file configs/demo/inet.yaml --output looks \
        MODEL.WEIGHTS output/demo/inet/model_final.pth
    python tools/visualize_data.py --config-file configs/demo/inet.yaml --output looks --batches 5 MODEL.WEIGHTS ""

Without weights the proposals are those of an untrained RPN. File names are BATCH_IMAGE.png; images 2i and 2i + 1 are a
pair, where the configuration trains on pairs. Exit status: 0, or 2 when an argument or a file does not fit.
"""

import argparse
import colorsys
import sys
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import inet_d2  # noqa: F401  # isort: skip  (first: it keeps a warning of fvcore back)
import numpy as np
import torch
from detectron2.checkpoint import DetectionCheckpointer
from detectron2.config import CfgNode
from detectron2.structures import Instances
from detectron2.utils.env import seed_all_rng
from detectron2.utils.events import EventStorage
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor, nn

from inet_d2.command_line import exit_status, split_options
from inet_d2.data.pids import BACKGROUND, IGNORED, UNLABELLED
from inet_d2.engine import INetTrainer, find_weights, load_config
from inet_d2.modeling.roi_heads.region_pids import label_regions

COLOURS = {UNLABELLED: (255, 255, 255), BACKGROUND: (230, 60, 60), IGNORED: (150, 150, 150)}
HEADER = 24  # pixels above a panel


def colour(pid: int) -> tuple[int, int, int]:
    """RGB of a region; identities that follow each other are far apart."""
    return COLOURS.get(pid) or tuple(round(255 * x) for x in colorsys.hsv_to_rgb(0.15 + 0.618 * pid % 0.8, 0.8, 1))


def draw_panel(image: Image.Image, title: str, boxes: Tensor, pids: Tensor, *, named: bool) -> Image.Image:
    """A copy of an image below a title, with (n, 4) boxes in the colours of their (n,) pids."""
    panel = Image.new("RGB", (image.width, image.height + HEADER), (30, 32, 38))
    panel.paste(image, (0, HEADER))
    draw = ImageDraw.Draw(panel)
    draw.text((6, 5), title, (255, 255, 255), ImageFont.load_default(12))
    for (x1, y1, x2, y2), pid in zip(boxes.tolist(), pids.tolist(), strict=True):
        corners = (x1, y1 + HEADER, max(x1, x2 - 1), max(y1, y2 - 1) + HEADER)
        draw.rectangle(corners, outline=colour(pid), width=2 if named else 1)
        if named and pid >= 0:
            draw.text((x1 + 3, y1 + HEADER + 1), str(pid), colour(pid), ImageFont.load_default(12))
    return panel


def draw_image(image: np.ndarray, target: Instances, regions: Instances, pids: Tensor) -> Image.Image:
    """The three panels of one image.

    Args:
        image: (H, W, 3) uint8 RGB, as the network gets it.
        target: ``gt_boxes`` and ``gt_pids``.
        regions: R sampled ones, with ``proposal_boxes``.
        pids: (R,) int64, what each region is to the identity losses.
    """
    picture, boxes, people = Image.fromarray(image), regions.proposal_boxes.tensor, pids >= UNLABELLED
    labelled, background = int((pids >= 0).sum()), int((pids == BACKGROUND).sum())
    unlabelled, ignored = int((pids == UNLABELLED).sum()), int((pids == IGNORED).sum())
    panels = [
        draw_panel(picture, f"people: {len(target)}", target.gt_boxes.tensor, target.gt_pids, named=True),
        draw_panel(picture, f"regions: {labelled} known, {unlabelled} not", boxes[people], pids[people], named=True),
        draw_panel(
            picture, f"{background} background, {ignored} ignored", boxes[~people], pids[~people], named=False
        ),
    ]  # fmt: skip
    sheet = Image.new("RGB", (3 * picture.width, panels[0].height))
    for column, panel in enumerate(panels):
        sheet.paste(panel, (column * picture.width, 0))
    return sheet


def training_pictures(model: nn.Module, batch: list[dict], image_format: str) -> list[Image.Image]:
    """Run one training step forward and draw the regions on which its losses were computed.

    Raises:
        ValueError: the model has no regions with identities to draw: it trains on crops, or is none of ours.
    """
    heads = model.roi_heads
    if getattr(model, "trains_on", "crops") == "crops" or not hasattr(heads, "person_iou"):
        raise ValueError(f"{type(model).__name__} samples no regions; name the configuration of a joint stage")
    seen = []
    handle = heads.register_forward_hook(lambda _, inputs, output: seen.append((output[0], inputs[3])))
    try:
        with EventStorage(), torch.no_grad():
            model.train()(batch)
    finally:
        handle.remove()
    pictures = []
    for x, regions, target in zip(batch, *seen[0], strict=True):
        pids = label_regions(regions, target, person_iou=heads.person_iou, background_iou=heads.background_iou)
        image = x["image"].permute(1, 2, 0).cpu().numpy().astype(np.uint8)
        image = np.ascontiguousarray(image if image_format == "RGB" else image[..., ::-1])
        pictures.append(draw_image(image, target.to("cpu"), regions.to("cpu"), pids.cpu()))
    return pictures


def draw_batches(cfg: CfgNode, output: Path, batches: int) -> int:
    """Write the pictures of the first batches; their number."""
    seed_all_rng(cfg.SEED if cfg.SEED >= 0 else None)
    model = INetTrainer.build_model(cfg)
    checkpointer = DetectionCheckpointer(model)
    checkpointer.load(find_weights(checkpointer, cfg.MODEL.WEIGHTS, resume=False, complete=False))
    written = 0
    for number, batch in enumerate(islice(INetTrainer.build_train_loader(cfg), batches)):
        for index, picture in enumerate(training_pictures(model, batch, cfg.INPUT.FORMAT)):
            output.mkdir(parents=True, exist_ok=True)
            picture.save(output / f"{number:03d}_{index}.png")
            written += 1
    return written


def run(options: argparse.Namespace) -> None:
    """Draw and say where.

    Raises:
        OSError, ValueError: the data set, the weights or the configuration do not fit.
    """
    if options.batches < 1:
        raise ValueError(f"--batches: expected at least 1, found {options.batches}")
    written = draw_batches(load_config(options.config_file, options.opts), options.output, options.batches)
    print(f"{options.output}: {written} pictures")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tool; the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        usage="%(prog)s --config-file FILE --output FOLDER [--batches N] [KEY VALUE ...]",
    )
    parser.add_argument("--config-file", required=True, metavar="FILE", help="of the training")
    parser.add_argument("--output", required=True, type=Path, metavar="FOLDER", help="for the pictures")
    parser.add_argument("--batches", type=int, default=2, metavar="N", help="to draw (default: 2)")
    words, opts = split_options(sys.argv[1:] if arguments is None else arguments)
    options = parser.parse_args(words, argparse.Namespace(opts=opts))
    return exit_status("visualize_data", lambda: run(options))


if __name__ == "__main__":
    sys.exit(main())
