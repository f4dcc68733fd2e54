r"""Turn detections that SeqNet or COAT saved into predictions.npz, which score_search.py scores at any setting.

The published code keeps them in data/eval_cache/eval_cache.pth, without names: images in the order of the test split,
queries in that of its protocol. Their numbers and the boxes of the queries are compared with the data set, and the
share of annotated people that the boxes find is printed: where it is near 0 with a good detector, the images are in
another order. Nothing in the file is run.

Examples:
    python tools/convert_detections.py eval_cache.pth seqnet.npz --dataset cuhk_sysu_test --context seqnet_context.npz
    python tools/score_search.py --dataset cuhk_sysu_test --predictions seqnet.npz --rules seqnet --confidence-weight

Embeddings that were multiplied by their scores get unit length again; --confidence-weight multiplies them anew.
Annotations are looked for under $DETECTRON2_DATASETS (default: datasets).
Exit status: 0, or 2 when an argument or a file does not fit.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import inet_d2  # noqa: F401  # isort: skip  (first: it keeps a warning of fvcore back)

from inet_d2.command_line import exit_status
from inet_d2.conversion.detection_cache import read_detection_cache
from inet_d2.engine import load_config
from inet_d2.evaluation import load_scoring_data
from inet_d2.evaluation.cached_detections import is_weighted, name_detections
from inet_d2.evaluation.scoring import curve_of_detections
from inet_d2.files import check_outputs


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("input", type=Path, help="eval_cache.pth")
    parser.add_argument("output", type=Path, help="predictions to write: .npz")
    parser.add_argument("--dataset", required=True, help="their test split: cuhk_sysu_test, prw_test, ...")
    parser.add_argument("--config-file", default="", help="its DATASETS.OWN or EXTENSIONS registers your own data set")
    parser.add_argument("--gallery-size", type=int, default=100, metavar="N", help="of the protocol (default 100)")
    parser.add_argument("--context", type=Path, metavar="FILE", help="write what score_search.py --cbgm needs: .npz")
    return parser.parse_args(arguments)


def run(options: argparse.Namespace) -> None:
    """Convert a file and report.

    Raises:
        OSError, ValueError: an argument or a file does not fit; nothing has been written.
    """
    outputs = {"output": options.output, **({"--context": options.context} if options.context else {})}
    for option, path in outputs.items():
        if path.suffix != ".npz" or not path.absolute().parent.is_dir():
            raise ValueError(f"{option}: expected a name that ends in .npz, in a folder that exists, found {path}")
    check_outputs(outputs, [options.input])
    if options.config_file:
        load_config(options.config_file)
    data = load_scoring_data(options.dataset, [options.gallery_size])
    cache = read_detection_cache(options.input)
    try:
        predictions, context = name_detections(cache, next(iter(data.protocols.values())))
        curve = curve_of_detections(predictions, data, score_thresh=0)
    except ValueError as error:
        raise ValueError(f"{options.input}: {error}") from error
    predictions.save(options.output)
    if options.context:
        context.save(options.context)
    print(f"{options.output}: {len(predictions.gallery_boxes)} people in {len(predictions.gallery_names)} images, "
          f"{len(predictions.query_names)} queries")  # fmt: skip
    print(f"They find {100 * max(curve.recall, default=0.0):.1f} % of the annotated people of {options.dataset}.")
    if is_weighted(cache.gallery_embeddings, predictions.gallery_scores):
        print("The embeddings were multiplied by their scores: score them with --confidence-weight.")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tool."""
    options = parse_arguments(arguments)
    return exit_status("convert_detections", lambda: run(options))


if __name__ == "__main__":
    sys.exit(main())
