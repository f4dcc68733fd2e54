"""Search one person in a folder of images, and draw the best matches beside the query."""

import argparse
import hashlib
import json
import logging
import os
import sys
from pathlib import Path

from detectron2.checkpoint import DetectionCheckpointer
from detectron2.config import CfgNode
from detectron2.data.detection_utils import read_image
from detectron2.modeling import build_model
from PIL import Image
from torch import nn
from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from inet_d2.command_line import exit_status
from inet_d2.data import SearchDatasetMapper
from inet_d2.engine import find_weights, load_config
from inet_d2.files import written_aside
from inet_d2.search import GalleryIndex, RankedMatches, embed_query, index_images, list_images
from inet_d2.visualization import DrawnMatch, draw_search_result

EXAMPLES = """
The box is the person to search: left, top, right and bottom edge in pixels of the query image. The weights
are MODEL.WEIGHTS of --opts, or else the last checkpoint in OUTPUT_DIR, or else MODEL.WEIGHTS of the
configuration.

Examples:
  Search with the model that a configuration trained:
    python demo/search_demo.py --config-file configs/CUHK-SYSU/inet_vgg16.yaml \\
        --query street.jpg --box 312 120 398 371 --gallery photos/
  Search with other weights; keep the embeddings of the folder, so that the next search starts at once:
    python demo/search_demo.py --config-file configs/CUHK-SYSU/inet_vgg16.yaml \\
        --query street.jpg --box 312 120 398 371 --gallery photos/ --index photos.npz \\
        --output match.png --opts MODEL.WEIGHTS model_final.pth
"""


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config-file", required=True, metavar="FILE", help="configuration of the model")
    parser.add_argument("--query", required=True, type=Path, metavar="IMG", help="image that shows the person")
    parser.add_argument(
        "--box",
        required=True,
        type=float,
        nargs=4,
        metavar=("X1", "Y1", "X2", "Y2"),
        help="where the person is",
    )
    parser.add_argument("--gallery", required=True, type=Path, metavar="FOLDER", help="images to search in")
    parser.add_argument("--output", type=Path, metavar="PNG", help="picture to write; default OUTPUT_DIR/search.png")
    parser.add_argument("--topk", type=int, default=10, metavar="N", help="matches to show; default 10")
    parser.add_argument(
        "--index",
        type=Path,
        metavar="NPZ",
        help="keep the gallery's embeddings here; reused while all is the same",
    )
    parser.add_argument(
        "--score-thresh",
        type=float,
        metavar="T",
        help="leave out detections with a lower score; default TEST.SEARCH.SCORE_THRESH",
    )
    parser.add_argument(
        "--opts",
        nargs=argparse.REMAINDER,
        default=[],
        metavar="KEY VALUE",
        help="change the configuration; comes last",
    )
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Run the demo.

    Args:
        arguments: command line without the program's name; default ``sys.argv``.

    Returns:
        Exit code: 0, or 2 for input that cannot be used, after one sentence on standard error.
    """
    args = parse_arguments(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")
    return exit_status("error", lambda: search(args))


def search(args: argparse.Namespace) -> None:
    """Search, print the table and write the picture.

    Args:
        args: result of :func:`parse_arguments`.

    Raises:
        OSError, ValueError: the input cannot be used; nothing was written but, perhaps, ``--index``.
    """
    cfg = load_config(args.config_file, args.opts)
    output = args.output or Path(cfg.OUTPUT_DIR) / "search.png"
    check_arguments(args, output)
    images = list_images(args.gallery)
    model, weights = load_model(cfg, is_weights_given="MODEL.WEIGHTS" in args.opts)
    mapper = SearchDatasetMapper(cfg, use_gt_boxes=False)  # the images of a folder have no annotations

    query = embed_query(model, mapper, args.query, args.box)
    source = describe_source(cfg, weights, images) if args.index else ""
    index = load_index(args.index, source) if args.index else None
    if index is None:
        index = build_index(model, mapper, images, source)
        if args.index:
            args.index.parent.mkdir(parents=True, exist_ok=True)
            index.save(args.index)
    if index.num_images < len(images):
        print(f"warning: {len(images) - index.num_images} of {len(images)} gallery images could not be read")

    own = [image.name for image in images if image.samefile(args.query)]
    min_score = cfg.TEST.SEARCH.SCORE_THRESH if args.score_thresh is None else args.score_thresh
    matches = index.rank(query, args.topk, min_score=min_score, excluded_images=own)
    print_matches(matches, args, index, own)
    save_picture(matches, args, output)
    print(f"picture: {output}")


def check_arguments(args: argparse.Namespace, output: Path) -> None:
    """Refuse what cannot work before the model is built."""
    if not args.query.is_file():
        raise FileNotFoundError(f"query image {args.query} does not exist; name an image file")
    if args.topk < 1:
        raise ValueError(f"--topk: expected at least 1, found {args.topk}")
    if output.suffix.lower() not in Image.registered_extensions():
        raise ValueError(f"--output: expected the name of an image file such as search.png, found {output}")


def load_model(cfg: CfgNode, *, is_weights_given: bool) -> tuple[nn.Module, str]:
    """Build the model with its trained weights.

    Args:
        cfg: configuration.
        is_weights_given: take MODEL.WEIGHTS even where OUTPUT_DIR has a checkpoint.

    Returns:
        The model in evaluation mode and the path of its weights.

    Raises:
        FileNotFoundError: there are no weights.
        ValueError: the weights do not fit the model.
    """
    model = build_model(cfg).eval()
    checkpointer = DetectionCheckpointer(model, save_dir=cfg.OUTPUT_DIR)
    weights = find_weights(checkpointer, cfg.MODEL.WEIGHTS, resume=not is_weights_given, complete=True)
    if not weights:
        raise FileNotFoundError(
            f"no weights: {cfg.OUTPUT_DIR} has no checkpoint and MODEL.WEIGHTS is empty; train the model "
            "first (train_net.py), or add --opts MODEL.WEIGHTS FILE"
        )
    checkpointer.load(weights)
    print(f"weights: {weights}")
    return model, weights


def describe_source(cfg: CfgNode, weights: str, images: list[Path]) -> str:
    """Fingerprint of all that the embeddings of a gallery depend on: weights, configuration, files."""
    digest = hashlib.sha256()
    if os.path.isfile(weights):
        with open(weights, "rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    files = [(image.name, image.stat().st_size, image.stat().st_mtime_ns) for image in images]
    digest.update(json.dumps([cfg.MODEL.dump(), cfg.INPUT.dump(), cfg.TEST.dump(), files]).encode())
    return digest.hexdigest()


def load_index(path: Path, source: str) -> GalleryIndex | None:
    """Load a kept index if it is there and was made from the same; else say why not."""
    if not path.exists():
        return None
    index = GalleryIndex.load(path)
    if index.source == source:
        print(f"index: {path} ({index.num_images} images)")
        return index
    print(f"index: {path} is of other images, weights or settings; building it anew")
    return None


def build_index(model: nn.Module, mapper: SearchDatasetMapper, images: list[Path], source: str) -> GalleryIndex:
    """Detect and embed everybody in the gallery, with a progress bar."""
    with logging_redirect_tqdm():
        return index_images(model, mapper, tqdm(images, desc="gallery", unit="image"), source=source)[0]


def print_matches(matches: RankedMatches, args: argparse.Namespace, index: GalleryIndex, own: list[str]) -> None:
    """Print the table of matches."""
    print(f"gallery: {index.num_images} images, {index.num_boxes} detections")
    if own:
        print(f"left out of the gallery: {own[0]}, the query image itself")
    if not len(matches):
        print(f"no match in {args.gallery}")
        return
    print(f"{'rank':>4}  {'similarity':>10}  {'score':>5}  {'box':<27}  file")
    rows = zip(matches.similarities, matches.scores, matches.boxes, matches.names, strict=True)
    for rank, (similarity, score, box, name) in enumerate(rows, start=1):
        edges = " ".join(f"{edge:6.1f}" for edge in box)
        print(f"{rank:>4}  {similarity:>10.4f}  {score:>5.2f}  {edges:<27}  {name}")


def save_picture(matches: RankedMatches, args: argparse.Namespace, output: Path) -> None:
    """Draw the result and write it aside, then in its place."""
    drawn = [
        DrawnMatch(read_image(str(args.gallery / name), "RGB"), box, float(similarity), str(name), float(score))
        for name, box, similarity, score in zip(
            matches.names, matches.boxes, matches.similarities, matches.scores, strict=True
        )
    ]
    picture = draw_search_result(read_image(str(args.query), "RGB"), args.box, drawn, query_name=args.query.name)
    output.parent.mkdir(parents=True, exist_ok=True)
    with written_aside(output) as aside:
        Image.fromarray(picture).save(aside)


if __name__ == "__main__":
    sys.exit(main())
