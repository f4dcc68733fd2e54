r"""Export a trained model to files that run without this project, and hold them against the model.

Two functions of one image of any size: FOLDER/detector (image -> boxes, scores, embeddings) and FOLDER/embedder (image
and boxes -> embeddings), each with the suffix of its format and a yaml that says how pictures are brought to size
(docs/export.md). The ONNX files are what `inet-search index --detector --embedder` takes. A model of crops (CropReID)
has the embedder alone.

Examples:
    python tools/export_model.py --config-file configs/demo/inet.yaml --to output/demo/exported
    python tools/export_model.py --config-file C --weights W --to exported --picture street.jpg yard.jpg
    python tools/export_model.py --config-file C --to exported --format torchscript torch_export
    python tools/export_model.py --config-file C --to exported MODEL.ROI_HEADS.SCORE_THRESH_TEST 0.3

Thresholds are constants of the files; KEY VALUE pairs change them. Each file runs on the pictures in every runtime that
is installed (torch; ONNX Runtime and OpenVINO, the extra [onnx]) before it gets its name; the table shows the largest
differences from the model. Exit status: 0, or 2 when an argument does not fit, a model cannot be exported, or a file
differs from its model by more than 1e-4 (boxes: of the longer side); then nothing is written.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import inet_d2  # noqa: F401  # isort: skip  (first: it keeps a warning of fvcore back)
import numpy as np
from detectron2.config import CfgNode

from inet_d2.command_line import exit_status, split_options
from inet_d2.engine import load_config
from inet_d2.export.description import describe
from inet_d2.export.export import STEMS, Check, export
from inet_d2.export.exportable import check_exportable, check_model
from inet_d2.export.formats import FORMATS
from inet_d2.files import check_output
from inet_d2.image_file import read_image
from inet_d2.search.embedder import ModelEmbedder, build_model_embedder

NO_SIZE = 480  # shorter side of a picture of noise where the model takes pictures as they are


def read_pictures(paths: Sequence[Path], cfg: CfgNode) -> list[np.ndarray]:
    """(H, W, 3) uint8 RGB: the files, or noise, wide and high.

    Raises:
        FileNotFoundError, ValueError: a file cannot be read as an image.
    """
    if paths:
        return [read_image(str(path), "RGB") for path in paths]
    side = cfg.INPUT.MIN_SIZE_TEST or NO_SIZE
    noise = np.random.default_rng(0).integers(0, 256, (side, side * 4 // 3, 3), dtype=np.uint8)
    return [noise, np.ascontiguousarray(noise.transpose(1, 0, 2))]


def model_input(embedder: ModelEmbedder, picture: np.ndarray) -> np.ndarray:
    """(1, 3, H, W) float32, at the model's size."""
    return embedder.prepare(picture)["image"].float().numpy()[None]


def print_report(step: str | Check) -> None:
    """A sentence, or a comparison as a line."""
    if isinstance(step, str):
        print(step, flush=True)
        return
    (height, width), found = step.size, step.differences
    people = f"{found.found} of {found.expected}"
    print(
        f"  {step.runtime:<13}{width:>5} x {height:<5}{people:>9} people, largest differences: boxes {found.boxes:.1e} "
        f"pixels, scores {found.scores:.1e}, embeddings {found.embeddings:.1e}",
        flush=True,
    )


def run(options: argparse.Namespace) -> None:
    """Check, build, export.

    Raises:
        OSError, ValueError: see the modules of ``inet_d2.export``.
    """
    inputs = [options.config_file, *options.picture, *filter(None, [options.weights])]
    for stem in STEMS.values():
        for suffix in (*(FORMATS[name][0] for name in options.format), ".yaml"):
            check_output(options.to / f"{stem}{suffix}", "--to", inputs)
    cfg = load_config(options.config_file, options.opts)
    check_exportable(cfg)
    cfg.MODEL.DEVICE = "cpu"
    pictures = read_pictures(options.picture, cfg)
    embedder = build_model_embedder(cfg, weights=options.weights)
    check_model(embedder.model)
    options.to.mkdir(parents=True, exist_ok=True)
    found = []
    export(
        embedder.model,
        options.to,
        options.format,
        describe=lambda kind: describe(cfg, kind, embedder.description["fingerprint"]),
        images=[model_input(embedder, picture) for picture in pictures],
        report=lambda step: (found.append(step), print_report(step)),
    )
    counts = [step.differences.expected for step in found if isinstance(step, Check) and step.kind == "whole_picture"]
    if counts and not any(counts):
        print("nobody was detected in these pictures: name some with people (--picture) to compare detections")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tool; the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        usage="%(prog)s --config-file FILE --to FOLDER [options] [KEY VALUE ...]",
    )
    parser.add_argument("--config-file", required=True, metavar="FILE", help="of the model")
    parser.add_argument("--weights", metavar="FILE", help="checkpoint (default: the last one in OUTPUT_DIR)")
    parser.add_argument("--to", required=True, type=Path, metavar="FOLDER", help="for the files; made if missing")
    parser.add_argument("--format", nargs="+", choices=FORMATS, default=["onnx"], help="one or more (default: onnx)")
    parser.add_argument(
        "--picture", nargs="+", type=Path, default=[], metavar="FILE", help="to compare on (default: noise)"
    )
    words, opts = split_options(sys.argv[1:] if arguments is None else arguments)
    options = parser.parse_args(words, argparse.Namespace(opts=opts))
    return exit_status("export_model", lambda: run(options))


if __name__ == "__main__":
    sys.exit(main())
