"""Search one person in a folder of images, and draw the best matches beside the query.

The shortest way through `inet-search`: index the folder, ask once. With --index the folder is looked through only once;
docs/search.md shows the rest (videos, thresholds, the page).
"""

import argparse
import sys
import tempfile
from pathlib import Path

import inet_d2  # noqa: F401  # isort: skip  (first: it keeps a warning of fvcore back)
from inet_d2.command_line import exit_status
from inet_d2.engine import load_config
from inet_d2.image_file import check_picture_output
from inet_d2.search.commands.main import main as inet_search
from inet_d2.search.sources import list_files

EXAMPLES = """
The box is the person to search: left, top, right and bottom edge in pixels of the query image. The weights are
MODEL.WEIGHTS of --opts, or else the last checkpoint in OUTPUT_DIR, or else MODEL.WEIGHTS of the configuration.

Examples:
  Search with the model that a configuration trained:
    python demo/search_demo.py --config-file configs/CUHK-SYSU/inet_vgg16.yaml \\
        --query street.jpg --box 312 120 398 371 --gallery photos/
  Search with other weights; keep the index of the folder, so that the next search starts at once:
    python demo/search_demo.py --config-file configs/CUHK-SYSU/inet_vgg16.yaml \\
        --query street.jpg --box 312 120 398 371 --gallery photos/ --index photos.index \\
        --output match.png --opts MODEL.WEIGHTS model_final.pth
"""
CANNOT_BE_USED = 2


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--config-file", required=True, metavar="FILE", help="configuration of the model")
    add("--query", required=True, metavar="IMG", help="image that shows the person")
    add("--box", required=True, nargs=4, metavar=("X1", "Y1", "X2", "Y2"), help="where the person is")
    add("--gallery", required=True, metavar="FOLDER", help="images to search in")
    add("--output", type=Path, metavar="PNG", help="picture to write; default OUTPUT_DIR/search.png")
    add("--topk", default="10", metavar="N", help="matches to show; default 10")
    add("--index", metavar="INDEX", help="keep the index of the folder here; what is new is added to it")
    add("--score-thresh", metavar="T", help="leave out detections with a lower score; default TEST.SEARCH.SCORE_THRESH")
    add("--opts", nargs=argparse.REMAINDER, default=[], metavar="KEY VALUE", help="change the configuration; last")
    return parser.parse_args(arguments)


def check(args: argparse.Namespace) -> tuple[Path, list[str]]:
    """What the two commands need beside the arguments, and what can be known before the work.

    Returns:
        The picture to write, and the options of the index.

    Raises:
        OSError, ValueError: an argument cannot be used.
    """
    cfg = load_config(args.config_file, args.opts)
    output = args.output or Path(cfg.OUTPUT_DIR) / "search.png"
    inputs = [args.query, *([args.index] if args.index else []), *list_files([args.gallery])]
    check_picture_output(output, "--output", inputs)
    if not Path(args.query).is_file():
        raise FileNotFoundError(f"query image {args.query} does not exist; name an image file")
    threshold = cfg.TEST.SEARCH.SCORE_THRESH if args.score_thresh is None else args.score_thresh
    weights = ["--weights", cfg.MODEL.WEIGHTS] if "MODEL.WEIGHTS" in args.opts else []
    options = ["--config-file", args.config_file, "--min-score", str(threshold), *weights]
    return output, [*options, *(["--opts", *args.opts] if args.opts else [])]


def main(arguments: list[str] | None = None) -> int:
    """Index and ask; exit code 0, or 2 after one sentence for input that cannot be used."""
    args = parse_arguments(arguments)
    checked = []
    if exit_status("error", lambda: checked.append(check(args))):
        return CANNOT_BE_USED
    output, options = checked[0]
    with tempfile.TemporaryDirectory() as folder:
        index = args.index or str(Path(folder, "gallery.index"))
        code = inet_search(["index", args.gallery, "--to", index, *options])
        if code != CANNOT_BE_USED:
            query = ["--image", args.query, "--box", *args.box, "--top", args.topk, "--all", "--sheet", str(output)]
            code = inet_search(["query", index, *query])
    if code == CANNOT_BE_USED:
        return code
    print(f"picture: {output}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
