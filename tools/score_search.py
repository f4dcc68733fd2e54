r"""Score saved predictions of person search at any setting, without a model and without opening a frame.

Examples:
    python tools/score_search.py --dataset cuhk_sysu_test --predictions output/inference/predictions.npz \
        --gallery-size 50 100 all --json scores.json
    python tools/score_search.py --dataset prw_test --predictions P.npz --cross-camera
    python tools/score_search.py --dataset cuhk_sysu_test --predictions ours.npz theirs.npz \
        --gallery-size 50 100 500 1000 2000 4000 --plot gallery_size.png --labels ours theirs
    python tools/score_search.py --dataset prw_test --predictions P.npz --score-thresh 0 --detection-plot curves.png
    python tools/score_search.py --dataset shop_test --config-file shop.yaml --predictions P.npz    # data of your own

Annotations are looked for under $DETECTRON2_DATASETS (default: datasets).
Exit status: 0, or 2 when an argument or a file does not fit.
"""

import argparse
import logging
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from inet_d2.command_line import exit_status
from inet_d2.data.datasets import load_annotations
from inet_d2.data.datasets.cuhk_sysu import SUBSETS
from inet_d2.data.datasets.protocol import SearchProtocol
from inet_d2.engine import load_config
from inet_d2.evaluation import (
    ContextPredictions,
    SearchPredictions,
    SearchScores,
    load_scoring_data,
    score_predictions,
)
from inet_d2.evaluation.detection_curve_metric import DetectionCurve, log_average_miss_rate
from inet_d2.evaluation.failure_cases import failure_cases
from inet_d2.evaluation.gallery_walk import RULES
from inet_d2.evaluation.model_comparison import Rankings, differences, intervals
from inet_d2.evaluation.query_report import mean_losses, query_rows, write_query_table
from inet_d2.evaluation.scoring import FULL_GALLERY, curve_of_detections
from inet_d2.evaluation.search_metric import AP_KINDS
from inet_d2.evaluation.search_ranking import SearchRanking
from inet_d2.files import check_outputs, write_json, written_aside
from inet_d2.visualization import failure_page
from inet_d2.visualization.figure import check_figure_path, save_figure
from score_output import MISS_RATE, draw_detection_plot, draw_plot, failed_search, format_scores, write_detection_table

OUTPUTS = ("json", "plot", "detection_plot", "detection_csv", "per_query", "failures")


def gallery_size(text: str) -> int | str:
    """A gallery size from the command line: a number, ``all``, or a named subset."""
    if text == FULL_GALLERY:
        return 0
    if text in SUBSETS:
        return text
    if text.isdigit() and int(text) > 0:
        return int(text)
    raise argparse.ArgumentTypeError(f"expected a number, all, {' or '.join(SUBSETS)}, found {text!r}")


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--dataset", required=True, help="a registered test split: cuhk_sysu_test, prw_test, or your own")
    add("--config-file", default="", help="its DATASETS.OWN or EXTENSIONS registers your own data set")
    add("--predictions", required=True, nargs="+", type=Path, help="one or more .npz files of an evaluation")
    add(
        "--gallery-size",
        nargs="+",
        type=gallery_size,
        default=[100],
        help="50 100 500 1000 2000 4000, all, occlusion, resolution (default 100; PRW: always all)",
    )
    add("--rules", choices=RULES, default=RULES[0], help="reference (default): the official walk")
    add("--ap", choices=AP_KINDS, default=AP_KINDS[0], help="step (default); trapezoid: papers before 2018")
    add("--score-thresh", type=float, default=0.5, help="for search and detection, in [0, 1] (default 0.5)")
    add("--cross-camera", action="store_true", help="PRW: leave out the frames of the query's camera")
    add("--confidence-weight", action="store_true", help="multiply similarities by detection scores (NAE, SeqNet)")
    add("--cbgm", action="store_true", help="also report context bipartite graph matching; needs --context")
    add("--context", type=Path, help="the people of the query images (context.npz of the same evaluation)")
    add("--json", type=Path, help="write the figures here, 0-100, unrounded")
    add("--plot", type=Path, help="draw mAP and top-1 against gallery size here (.png)")
    add(
        "--detection-plot",
        type=Path,
        help="draw precision-recall and miss-rate curves here (.png)",
    )
    add("--detection-csv", type=Path, help="write precision, recall and miss rate at every score here (.csv)")
    add("--labels", nargs="+", metavar="NAME", help="of the files in plots (default: what differs in their paths)")
    add(
        "--intervals",
        action="store_true",
        help="95 %% intervals over queries; later files are tested against the first",
    )
    add("--per-query", type=Path, help="write AP, best rank and what the boxes and the embeddings cost here (.csv)")
    add("--failures", type=Path, help="draw the worst queries of the first file and gallery here (.html)")
    options = parser.parse_args(arguments)
    if options.cbgm != (options.context is not None):
        parser.error("--cbgm and --context belong together")
    if options.cbgm and len(options.predictions) > 1:
        parser.error("--cbgm: expected one file of predictions")
    if options.labels and len(set(options.labels)) != len(options.labels):
        parser.error(f"--labels: expected different names, found {' '.join(options.labels)}")
    if options.labels and len(options.labels) != len(options.predictions):
        parser.error(f"--labels: expected {len(options.predictions)}, one for each file, found {len(options.labels)}")
    if not 0 <= options.score_thresh <= 1:
        parser.error(f"--score-thresh: expected a number in [0, 1], found {options.score_thresh}")
    return options


@dataclass(frozen=True)
class ScoredFile:
    """One file of predictions with all its scores.

    Attributes:
        predictions: content of the file.
        protocols: by gallery.
        scores: subsets of queries are scored apart.
        curve: of the detections, where it was asked for.
    """

    predictions: SearchPredictions
    protocols: dict[str, SearchProtocol]
    scores: list[SearchScores]
    curve: DetectionCurve | None

    @property
    def rankings(self) -> dict[str, SearchRanking]:
        """By gallery."""
        return {gallery: ranking for part in self.scores for gallery, ranking in part.rankings.items()}

    def as_dict(self) -> dict[str, Any]:
        """The figures of all parts, merged by name."""
        merged, *rest = (part.as_dict() for part in self.scores)
        for part in rest:
            for key in part.keys() - {"detection"}:
                merged[key].update(part[key])
        if self.curve is not None:
            merged["detection"] = {**merged["detection"], MISS_RATE: 100 * log_average_miss_rate(self.curve)}
        return merged


def score_files(options: argparse.Namespace) -> dict[str, ScoredFile]:
    """Score every file of predictions."""
    numbers = [size for size in options.gallery_size if isinstance(size, int)]
    groups = [group for group in (numbers, *([s] for s in options.gallery_size if s in SUBSETS)) if group]
    data = [load_scoring_data(options.dataset, group, cross_camera=options.cross_camera) for group in groups]
    protocols = {gallery: protocol for part in data for gallery, protocol in part.protocols.items()}
    context = ContextPredictions.load(options.context) if options.cbgm else None
    scored: dict[str, ScoredFile] = {}
    for path in options.predictions:
        predictions = SearchPredictions.load(path)
        try:
            scores = [
                score_predictions(predictions, part, ap=options.ap, **settings_of(options), context=context)
                for part in data
            ]
            curve = None
            if options.detection_plot or options.detection_csv:
                curve = curve_of_detections(predictions, data[0], score_thresh=options.score_thresh)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error
        scored[str(path)] = ScoredFile(predictions, protocols, scores, curve)
    return scored


def settings_of(options: argparse.Namespace) -> dict[str, Any]:
    """The options that scoring and the page of failures share."""
    return {name: getattr(options, name) for name in ("score_thresh", "rules", "confidence_weight")}


def run(options: argparse.Namespace) -> None:
    """Score, print, and write what the options ask for.

    Raises:
        OSError, ValueError: an argument or a file does not fit.
    """
    check_places(options)
    if options.config_file:
        load_config(options.config_file)
    scored = score_files(options)
    results = {file_name: file.as_dict() for file_name, file in scored.items()}
    if options.intervals:
        add_intervals(results, {file_name: file.rankings for file_name, file in scored.items()})
    for file_name, scores in results.items():
        print(f"{file_name}\n{format_scores(scores)}")
    if options.json:
        content = results if len(results) > 1 else next(iter(results.values()))
        write_json(options.json, content)
    if options.plot:
        first = next(iter(scored.values()))
        figure = draw_plot(results, len(first.predictions.gallery_names), options.labels)
        save_figure(figure, options.plot)
    if options.detection_plot:
        curves = {name: file.curve for name, file in scored.items()}
        save_figure(draw_detection_plot(results, curves, options.labels), options.detection_plot)
    if options.detection_csv:
        write_detection_table(options.detection_csv, {name: file.curve for name, file in scored.items()})
    if options.per_query:
        rows = [row for name, file in scored.items() for row in query_rows(name, file.protocols, file.rankings)]
        write_query_table(options.per_query, rows)
    if options.failures:
        write_failures(options, *next(iter(scored.items())))


def check_places(options: argparse.Namespace) -> None:
    """Refuse outputs that cannot be written, or would replace an input or each other.

    Raises:
        ValueError: one of them.
    """
    paths = {f"--{name.replace('_', '-')}": getattr(options, name) for name in OUTPUTS}
    paths = {option: path for option, path in paths.items() if path}
    for path in paths.values():
        if not path.absolute().parent.is_dir():
            raise ValueError(f"{path}: expected an existing folder, found none; create {path.parent} first")
    check_outputs(paths, [*options.predictions, *filter(None, [options.context])])
    for path in filter(None, (options.plot, options.detection_plot)):
        check_figure_path(path)


def add_intervals(results: dict[str, dict[str, Any]], rankings: dict[str, Rankings]) -> None:
    """Put the intervals of each file beside its figures and, for all but the first, its differences from the first."""
    first = next(iter(rankings))
    for file_name, found in rankings.items():
        results[file_name]["intervals"] = intervals(found)
        if file_name != first:
            results[file_name]["minus_first"] = differences(found, rankings[first])


def write_failures(options: argparse.Namespace, file_name: str, file: ScoredFile) -> None:
    """Write the page of the worst queries in the first gallery that was asked for."""
    gallery, protocol = next(iter(file.protocols.items()))
    ranking = file.rankings[gallery]
    cases = failure_cases(file.predictions, protocol, ranking, **settings_of(options))
    frames = {record["image_id"]: record["file_name"] for record in load_annotations(options.dataset)}
    to_boxes, to_embeddings = mean_losses(ranking)
    summary = [
        f"{file_name}, {options.dataset}, gallery {gallery}: mAP {ranking.figures()['mAP']:.2f}",
        f"Lost to boxes that are missing: {to_boxes:.2f}; lost to embeddings: {to_embeddings:.2f}.",
        "Green: the searched person. Red: somebody else, or the person less exactly than the protocol asks for.",
    ]
    searches = [failed_search(case, frames) for case in tqdm(cases, desc="failures", unit="query")]
    with written_aside(options.failures) as aside:
        aside.write_text(failure_page("The worst searches", summary, searches), encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tool."""
    options = parse_arguments(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    return exit_status("score_search", lambda: run(options))


if __name__ == "__main__":
    sys.exit(main())
