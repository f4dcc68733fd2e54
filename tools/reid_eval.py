r"""Hand-made descriptors on crops: fitted on the training split, then queries ranked in their gallery.

Descriptors and distances are those of the two-step baselines (docs/baselines.md), on the splits that published figures
are of. Trained models are evaluated by train_net.py (docs/reid.md).

Examples:
    python tools/reid_eval.py --config-file configs/baselines/lomo_xqda.yaml --dataset market1501 \
        --output output/reid/lomo_xqda
    python tools/reid_eval.py --config-file configs/baselines/bow_cosine.yaml --dataset cuhk03_detected \
        --output output/reid/bow TEST.REID.SINGLE_SHOT True TEST.REID.AP trapezoid

KEY VALUE pairs at the end override the configuration. Writes results.json and config.yaml. Data sets are looked for
under $DETECTRON2_DATASETS (default: datasets). Exit status: 0, or 2 when an argument or a file does not fit.
"""

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from inet_d2.baselines.two_step import TwoStepSearch, check_training_split
from inet_d2.command_line import exit_status, split_options
from inet_d2.data.datasets import load_records, reid_split_names
from inet_d2.data.datasets.reid_split import load_reid_split
from inet_d2.engine import load_config
from inet_d2.evaluation import format_results
from inet_d2.evaluation.reid_scoring import ReidOptions, score_reid
from inet_d2.files import check_output, write_json


def parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line; the first word such as TWO_STEP.PCA_DIM begins the KEY VALUE pairs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--config-file", required=True, metavar="FILE", help="a file of configs/baselines/, or one with keys TWO_STEP")
    add("--dataset", required=True, metavar="NAME", help="market1501, dukemtmc_reid, cuhk03_detected, msmt17, ...")
    add("--output", required=True, type=Path, metavar="DIR", help="gets results.json")
    words, opts = split_options(arguments)
    return parser.parse_args(words, argparse.Namespace(opts=opts))


def run(options: argparse.Namespace) -> None:
    """Fit, describe, rank.

    Raises:
        OSError, ValueError: an argument or a file does not fit.
    """
    cfg = load_config(options.config_file, options.opts)
    scoring = ReidOptions.from_config(cfg)
    if scoring.rerank and cfg.TWO_STEP.DISTANCE != "Cosine":
        raise ValueError(
            "TEST.REID.RERANK.ENABLED: expected TWO_STEP.DISTANCE Cosine, whose rows have unit length, found "
            f"{cfg.TWO_STEP.DISTANCE}; set one of the two"
        )
    check_output(options.output / "results.json", "--output")
    names = reid_split_names(options.dataset)
    if not names:
        raise ValueError(f"--dataset: expected a data set of crops (docs/reid.md), found {options.dataset!r}")
    train, split = load_records(names["train"]), load_reid_split(names["query"])
    check_training_split(names["train"], train, names["query"], [*split.queries, *split.gallery])
    two_step = TwoStepSearch(cfg)
    two_step.fit(train)
    queries = two_step.embed(split.queries, is_query=True)
    gallery = two_step.embed(split.gallery, is_query=False)
    results = score_reid(queries, gallery, split.people(), scoring)
    options.output.mkdir(parents=True, exist_ok=True)
    (options.output / "config.yaml").write_text(cfg.dump())
    write_json(options.output / "results.json", results)
    print(f"{two_step.name} on {options.dataset}\n{format_results(results)}\nWritten: {options.output}/results.json")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tool."""
    options = parse_arguments(sys.argv[1:] if arguments is None else arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    return exit_status("reid_eval", lambda: run(options))


if __name__ == "__main__":
    sys.exit(main())
