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
import sys
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import inet_d2  # noqa: F401  # isort: skip  (first: it keeps a warning of fvcore back)
import numpy as np
import torch
from detectron2.config import CfgNode
from detectron2.utils.env import seed_all_rng
from detectron2.utils.events import EventStorage
from PIL import Image
from torch import nn

from inet_d2.command_line import exit_status, split_options
from inet_d2.data.training_records import with_counted_pids
from inet_d2.engine import INetTrainer, RunCheckpointer, find_weights, load_config
from inet_d2.modeling.meta_arch.training_pictures import picture_regions, rgb_image, seen_regions


def training_pictures(model: nn.Module, batch: list[dict], image_format: str) -> list[np.ndarray]:
    """Run one training step forward and draw the regions on which its losses were computed.

    Raises:
        ValueError: the model has no regions with identities to draw: it trains on crops, or is none of ours.
    """
    heads = model.roi_heads
    if getattr(model, "trains_on", "crops") == "crops" or not hasattr(heads, "person_iou"):
        raise ValueError(f"{type(model).__name__} samples no regions; name the configuration of a joint stage")
    with seen_regions(heads) as seen, EventStorage(), torch.no_grad():
        model.train()(batch)
    ious = {"person_iou": heads.person_iou, "background_iou": heads.background_iou}
    images = [rgb_image(x["image"], image_format) for x in batch]
    return [picture_regions(*each, **ious) for each in zip(images, seen.targets, seen.sampled, strict=True)]


def draw_batches(cfg: CfgNode, output: Path, batches: int) -> int:
    """Write the pictures of the first batches; their number."""
    seed_all_rng(cfg.SEED if cfg.SEED >= 0 else None)
    cfg = with_counted_pids(cfg)
    model = INetTrainer.build_model(cfg)
    checkpointer = RunCheckpointer(model)
    checkpointer.load(find_weights(checkpointer, cfg.MODEL.WEIGHTS, resume=False, complete=False))
    written = 0
    for number, batch in enumerate(islice(INetTrainer.build_train_loader(cfg), batches)):
        for index, picture in enumerate(training_pictures(model, batch, cfg.INPUT.FORMAT)):
            output.mkdir(parents=True, exist_ok=True)
            Image.fromarray(picture).save(output / f"{number:03d}_{index}.png")
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
