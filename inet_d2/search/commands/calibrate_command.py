"""`inet-search calibrate`: from which similarity on a hit is a find."""

import argparse
import sys
from typing import Any

from tqdm import tqdm

from inet_d2.data.datasets.builtin import load_annotations
from inet_d2.search.build_embedder import embedder_of
from inet_d2.search.calibration import describe_curve, write_curve
from inet_d2.search.commands.exit_codes import DONE
from inet_d2.search.commands.parsers import add_command
from inet_d2.search.labelled_people import measure_curve
from inet_d2.search.store import open_store

EXAMPLES = """  With the labelled test images of CUHK-SYSU (DETECTRON2_DATASETS says where they are):
    inet-search calibrate street.index --dataset cuhk_sysu_test
  Without labels there is no threshold; what can be said of a hit is then said beside it:
    inet-search calibrate street.index
"""
UNLABELLED = """not calibrated: the {people} people of the index have no labels, so nothing tells strangers from finds.
Queries show how far a hit lies above everybody else in the index (robust deviations). That is no rate of false alarms.
Give --dataset NAME for a threshold; best is labelled data that looks like yours."""


def add_parsers(commands: Any) -> None:
    """Add the command to the command line."""
    parser = add_command(commands, "calibrate", "measure how good a hit must be, on labelled images", EXAMPLES)
    parser.add_argument("--dataset", metavar="NAME", help="registered data set with person ids, e.g. cuhk_sysu_test")
    parser.add_argument("--weights", metavar="W", help="where the index's checkpoint is now")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Measure and keep a curve in the index."""
    with open_store(args.index, read_only=not args.dataset) as store:
        if not args.dataset:
            print(UNLABELLED.format(people=store.count().people))
            return DONE
        embedder = embedder_of(store, weights=args.weights)  # first: its configuration may register data sets
        records = load_annotations(args.dataset)
        min_score = store.read_meta("settings")["min_score"]
        with tqdm(total=len(records), unit="image", delay=1.0, file=sys.stderr) as bar:
            curve = measure_curve(
                embedder, records, args.dataset, min_score=min_score, progress=lambda done: bar.update(done - bar.n)
            )
        write_curve(store, curve)
        print(describe_curve(curve))
        print("Other cameras than these may need another curve: the threshold is as good as this data is like yours.")
    return DONE
