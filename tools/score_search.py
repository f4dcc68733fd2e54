r"""Score saved predictions of person search at any setting, without a model and without opening a frame.

Examples:
    python tools/score_search.py --dataset cuhk_sysu_test --predictions output/inference/predictions.npz \
        --gallery-size 50 100 all --json scores.json
    python tools/score_search.py --dataset prw_test --predictions P.npz --cross-camera
    python tools/score_search.py --dataset cuhk_sysu_test --predictions ours.npz theirs.npz \
        --gallery-size 50 100 500 1000 2000 4000 --plot gallery_size.png
    python tools/score_search.py --dataset shop_test --config-file shop.yaml --predictions P.npz    # data of your own

Annotations are looked for under $DETECTRON2_DATASETS (default: datasets).
Exit status: 0, or 2 when an argument or a file does not fit.
"""

import argparse
import logging
import sys
from collections.abc import Sequence
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inet_d2.command_line import exit_status
from inet_d2.data.datasets.cuhk_sysu import SUBSETS
from inet_d2.engine import load_config
from inet_d2.evaluation import ContextPredictions, SearchPredictions, load_scoring_data, score_predictions
from inet_d2.evaluation.gallery_walk import RULES
from inet_d2.evaluation.scoring import FULL_GALLERY
from inet_d2.evaluation.search_metric import AP_KINDS
from inet_d2.files import write_json, written_aside
from inet_d2.visualization import draw_gallery_curves

if TYPE_CHECKING:
    from matplotlib.figure import Figure

METRICS = ("mAP", "top1", "top5", "top10")


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
    options = parser.parse_args(arguments)
    if options.cbgm != (options.context is not None):
        parser.error("--cbgm and --context belong together")
    if options.cbgm and len(options.predictions) > 1:
        parser.error("--cbgm: expected one file of predictions")
    if not 0 <= options.score_thresh <= 1:
        parser.error(f"--score-thresh: expected a number in [0, 1], found {options.score_thresh}")
    return options


def score_files(options: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """Score every file of predictions; subsets of queries are scored apart and merged by name."""
    numbers = [size for size in options.gallery_size if isinstance(size, int)]
    groups = [group for group in (numbers, *([s] for s in options.gallery_size if s in SUBSETS)) if group]
    data = [load_scoring_data(options.dataset, group, cross_camera=options.cross_camera) for group in groups]
    context = ContextPredictions.load(options.context) if options.cbgm else None
    results: dict[str, dict[str, Any]] = {}
    for path in options.predictions:
        predictions = SearchPredictions.load(path)
        try:
            parts = [
                score_predictions(
                    predictions,
                    part,
                    score_thresh=options.score_thresh,
                    rules=options.rules,
                    ap=options.ap,
                    confidence_weight=options.confidence_weight,
                    context=context,
                ).as_dict()
                for part in data
            ]
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error
        merged = parts[0]
        for part in parts[1:]:
            for key in part.keys() - {"detection"}:
                merged[key].update(part[key])
        results[str(path)] = merged
    return results


def format_scores(scores: dict[str, Any]) -> str:
    """The figures of one file as a Markdown table."""
    lines = ["| gallery | " + " | ".join(f"{name:>6}" for name in METRICS) + " |"]
    lines.append("| ------- |" + " -----: |" * len(METRICS))
    for key, note in (("search", ""), ("search_cbgm", " +CBGM")):
        for gallery, figures in scores.get(key, {}).items():
            cells = " | ".join(f"{figures[name]:6.2f}" for name in METRICS)
            lines.append(f"| {gallery + note:<7} | {cells} |")
    detection = ", ".join(f"{name} {value:.2f}" for name, value in scores["detection"].items())
    return "\n".join([*lines, f"detection: {detection}"])


def draw_plot(results: dict[str, dict[str, Any]], num_images: int) -> "Figure":
    """Draw mAP and top-1 against gallery size, one line per file."""
    names = distinct_parts([Path(file_name) for file_name in results])
    panels: dict[str, dict[str, dict[int, list[float]]]] = {}
    for title, metric in (("mAP", "mAP"), ("top-1", "top1")):
        panels[title] = {
            name: {
                num_images if gallery == FULL_GALLERY else int(gallery): [figures[metric]]
                for gallery, figures in scores["search"].items()
                if gallery not in SUBSETS
            }
            for name, scores in zip(names, results.values(), strict=True)
        }
    return draw_gallery_curves(panels)


def distinct_parts(paths: Sequence[Path]) -> list[str]:
    """What tells different paths apart: each without the folders and the ending that it has in common with all others.

    A path of which nothing would be left is whole.
    """
    parts = [path.absolute().parts for path in paths]
    start = _shared(parts)
    end = _shared([names[start:][::-1] for names in parts])
    return ["/".join(names[start : len(names) - end]) or str(path) for names, path in zip(parts, paths, strict=True)]


def _shared(parts: Sequence[Sequence[str]]) -> int:
    """How many items, from the first, are the same in all."""
    return sum(1 for _ in takewhile(lambda items: len(set(items)) == 1, zip(*parts, strict=False)))


def run(options: argparse.Namespace) -> None:
    """Score, print, and write what the options ask for.

    Raises:
        OSError, ValueError: an argument or a file does not fit.
    """
    for path in filter(None, (options.json, options.plot)):
        if not path.absolute().parent.is_dir():
            raise ValueError(f"{path}: expected an existing folder, found none; create {path.parent} first")
    if options.config_file:
        load_config(options.config_file)
    results = score_files(options)
    for file_name, scores in results.items():
        print(f"{file_name}\n{format_scores(scores)}")
    if options.json:
        content = results if len(results) > 1 else next(iter(results.values()))
        write_json(options.json, content)
    if options.plot:
        figure = draw_plot(results, len(SearchPredictions.load(options.predictions[0]).gallery_names))
        with written_aside(options.plot) as aside:
            figure.savefig(aside, dpi=150, format=options.plot.suffix[1:] or "png")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tool."""
    options = parse_arguments(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    return exit_status("score_search", lambda: run(options))


if __name__ == "__main__":
    sys.exit(main())
