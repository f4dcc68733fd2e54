r"""Person search in two steps: describe the people in given boxes, rank them by a learned distance.

Boxes are the annotated ones, or those of any predictions.npz; the distance is learned from the training split only.
Writes predictions.npz, which tools/score_search.py scores as any other, and results.json, as train_net.py does.
Several sources of boxes share one fit.

Examples:
    python tools/two_step_search.py --config-file configs/baselines/lomo_xqda.yaml --boxes annotated \
        --output output/two_step/lomo_xqda
    python tools/two_step_search.py --config-file configs/baselines/dsift_kissme.yaml \
        --boxes output/cuhk_sysu/faster_rcnn_vgg16/inference/cuhk_sysu_test/predictions.npz annotated \
        --output output/two_step/dsift_kissme output/two_step/dsift_kissme/annotated TEST.SEARCH.GALLERY_SIZES "(100,)"

KEY VALUE pairs at the end override the configuration. Data sets are looked for under $DETECTRON2_DATASETS (default:
datasets). Exit status: 0, or 2 when an argument or a file does not fit.
"""

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from inet_d2.baselines.box_source import above, annotated_boxes
from inet_d2.baselines.two_step import TwoStepSearch, check_training_split
from inet_d2.command_line import exit_status, split_options
from inet_d2.data.datasets import load_annotations, load_protocol
from inet_d2.engine import load_config
from inet_d2.evaluation import SearchPredictions, format_results, load_scoring_data, score_predictions
from inet_d2.evaluation.search_evaluator import evaluator_results
from inet_d2.files import check_outputs, write_json

ANNOTATED = "annotated"


def parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line; the first word such as TWO_STEP.PCA_DIM begins the KEY VALUE pairs."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        usage="%(prog)s --config-file FILE --boxes SOURCE ... --output DIR ... [options] [KEY VALUE ...]",
    )
    add = parser.add_argument
    add("--config-file", required=True, metavar="FILE", help="a file of configs/baselines/, or one with keys TWO_STEP")
    add("--boxes", required=True, nargs="+", metavar="SOURCE", help=f"{ANNOTATED}, or a predictions.npz; one or more")
    add("--output", required=True, nargs="+", type=Path, metavar="DIR", help="a folder for each source of boxes")
    add("--train", default="cuhk_sysu_train", metavar="NAME", help="split to learn from (default: cuhk_sysu_train)")
    add("--dataset", default="cuhk_sysu_test", metavar="NAME", help="split to search (default: cuhk_sysu_test)")
    words, opts = split_options(arguments)
    options = parser.parse_args(words, argparse.Namespace(opts=opts))
    if len(options.boxes) != len(options.output):
        parser.error(
            f"--output: expected a folder for each of {len(options.boxes)} sources of boxes, found "
            f"{len(options.output)}"
        )
    return options


def run(options: argparse.Namespace) -> None:
    """Fit once, then search in the boxes of every source.

    Raises:
        OSError, ValueError: an argument or a file does not fit.
    """
    cfg = load_config(options.config_file, options.opts)
    settings = cfg.TEST.SEARCH
    data = load_scoring_data(options.dataset, settings.GALLERY_SIZES, cross_camera=settings.CROSS_CAMERA)
    train, test = load_annotations(options.train), load_annotations(options.dataset)
    check_training_split(options.train, train, options.dataset, test)
    check_outputs(
        {f"--output ({number})": folder / "predictions.npz" for number, folder in enumerate(options.output, start=1)},
        [source for source in options.boxes if source != ANNOTATED],
    )
    # Every file is read before the work begins, so that a wrong path costs nothing.
    sources = [
        annotated_boxes(test, load_protocol(options.dataset, settings.GALLERY_SIZES[0]))
        if source == ANNOTATED
        else above(SearchPredictions.load(source), settings.SCORE_THRESH)
        for source in options.boxes
    ]
    two_step = TwoStepSearch(cfg)
    two_step.fit(train)
    for source, boxes, folder in zip(options.boxes, sources, options.output, strict=True):
        print(f"{two_step.name}, boxes: {source}", flush=True)
        predictions = two_step.search(boxes, test)
        scores = score_predictions(
            predictions, data, score_thresh=settings.SCORE_THRESH, rules=settings.RULES, ap=settings.AP
        )
        results = evaluator_results(scores)
        folder.mkdir(parents=True, exist_ok=True)
        predictions.save(folder / "predictions.npz")
        (folder / "config.yaml").write_text(cfg.dump())
        write_json(folder / "results.json", results)
        print(f"{format_results(results)}\nWritten: {folder}/predictions.npz and results.json", flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tool."""
    options = parse_arguments(sys.argv[1:] if arguments is None else arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    return exit_status("two_step_search", lambda: run(options))


if __name__ == "__main__":
    sys.exit(main())
