r"""Train a detector of people by boosted trees (ACF or CCF), and find people in a test split with it.

Writes to OUTPUT_DIR: detector.npz, predictions.npz (boxes and scores; the embeddings have no columns) and results.json
with the detection figures. The predictions go under a two-step search (tools/two_step_search.py --boxes) or under a
network (TEST.SEARCH.BOXES_FROM). A detector.npz that is there with the same configuration is not trained again.

Examples:
    python tools/train_detector.py --config-file configs/demo/acf.yaml OUTPUT_DIR output/demo/acf
    python tools/train_detector.py --config-file configs/baselines/acf.yaml OUTPUT_DIR output/acf

KEY VALUE pairs override the configuration. Data sets are looked for under $DETECTRON2_DATASETS (default: datasets).
Exit status: 0, or 2 when an argument or a file does not fit.
"""

import argparse
import logging
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from detectron2.config import CfgNode
from tqdm import tqdm

from inet_d2.baselines.box_source import annotated_boxes
from inet_d2.baselines.detectors import PersonDetector, build_detector
from inet_d2.baselines.two_step import check_training_split
from inet_d2.command_line import exit_status, split_options
from inet_d2.data.datasets import load_annotations, load_protocol
from inet_d2.data.frame_reader import read_frame
from inet_d2.engine import load_config
from inet_d2.evaluation import SearchPredictions, format_results, load_scoring_data, score_predictions
from inet_d2.evaluation.search_evaluator import evaluator_results
from inet_d2.files import check_output, write_json


def parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line; the first word such as DETECTOR.DEPTH begins the KEY VALUE pairs."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        usage="%(prog)s --config-file FILE [options] [KEY VALUE ...]",
    )
    add = parser.add_argument
    add("--config-file", required=True, metavar="FILE", help="configs/demo/acf.yaml, or one with keys DETECTOR")
    add("--train", default="cuhk_sysu_train", metavar="NAME", help="split to learn from (default: cuhk_sysu_train)")
    add("--dataset", default="cuhk_sysu_test", metavar="NAME", help="split to find people in (default: cuhk_sysu_test)")
    words, opts = split_options(arguments)
    return parser.parse_args(words, argparse.Namespace(opts=opts))


def run(options: argparse.Namespace) -> None:
    """Train, detect, score the detections.

    Raises:
        OSError, ValueError: an argument or a file does not fit.
    """
    cfg = load_config(options.config_file, options.opts)
    settings, folder = cfg.TEST.SEARCH, Path(cfg.OUTPUT_DIR)
    check_output(folder / "predictions.npz", "OUTPUT_DIR")
    data = load_scoring_data(options.dataset, settings.GALLERY_SIZES)
    train, test = load_annotations(options.train), load_annotations(options.dataset)
    check_training_split(options.train, train, options.dataset, test)
    protocol = load_protocol(options.dataset, settings.GALLERY_SIZES[0])
    folder.mkdir(parents=True, exist_ok=True)
    detector = trained_detector(cfg, folder, train)
    predictions = find_people(detector, test, annotated_boxes(test, protocol))
    predictions.save(folder / "predictions.npz")
    # Rows of one zero: the search figures of a detector alone say nothing, and are left out.
    blank = {
        name: np.zeros((len(getattr(predictions, name)), 1)) for name in ("gallery_embeddings", "query_embeddings")
    }
    scores = score_predictions(replace(predictions, **blank), data, score_thresh=settings.SCORE_THRESH)
    results = {"detection": evaluator_results(scores)["detection"]}
    write_json(folder / "results.json", results)
    print(f"{format_results(results)}\nWritten: {folder}/detector.npz, predictions.npz and results.json", flush=True)


def trained_detector(cfg: CfgNode, folder: Path, records: Sequence[Mapping[str, Any]]) -> PersonDetector:
    """Load the detector of a folder where its configuration is the same; else train and save it there."""
    detector, file, record = build_detector(cfg), folder / "detector.npz", folder / "config.yaml"
    if file.exists() and record.exists() and record.read_text() == cfg.dump():
        print(f"{file} is there, with the same configuration", flush=True)
        detector.load(file)
        return detector
    file.unlink(missing_ok=True)
    detector.fit(records)
    detector.save(file)
    record.write_text(cfg.dump())
    return detector


def find_people(
    detector: PersonDetector, records: Sequence[Mapping[str, Any]], frame: SearchPredictions
) -> SearchPredictions:
    """Detect in every image; names and queries come from ``frame``."""
    found = []
    for record in tqdm(records, desc="detect", unit="frame"):
        found.append(detector.detect(np.ascontiguousarray(read_frame(dict(record), "RGB"))))
    total = sum(len(scores) for _, scores in found)
    return replace(
        frame,
        gallery_counts=np.array([len(scores) for _, scores in found]),
        gallery_boxes=np.concatenate([boxes for boxes, _ in found]),
        gallery_scores=np.concatenate([scores for _, scores in found]),
        gallery_embeddings=np.zeros((total, 0)),
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tool."""
    options = parse_arguments(sys.argv[1:] if arguments is None else arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    return exit_status("train_detector", lambda: run(options))


if __name__ == "__main__":
    sys.exit(main())
