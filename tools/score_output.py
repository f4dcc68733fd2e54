"""How score_search.py shows what it found: tables, curves, and the searches that went wrong."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inet_d2.command_line import distinct_parts
from inet_d2.data.datasets.cuhk_sysu import SUBSETS
from inet_d2.evaluation.detection_curve_metric import DetectionCurve
from inet_d2.evaluation.failure_cases import FailureCase
from inet_d2.evaluation.scoring import FULL_GALLERY
from inet_d2.files import written_aside
from inet_d2.image_file import read_image
from inet_d2.visualization import DrawnMatch, FailedSearch, draw_gallery_curves, draw_search_result
from inet_d2.visualization.detection_plot import draw_detection_curves

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MISS_RATE = "log_average_miss_rate"
METRICS = ("mAP", "top1", "top5", "top10")
CURVE_COLUMNS = ("threshold", "precision", "recall", "false_per_image", "miss_rate")
REASONS = {
    "box": "No detection overlaps the person enough.",
    "embedding": "Somebody else stands first.",
    "": "The person stands first, but not in all images.",
}


def format_scores(scores: dict[str, Any]) -> str:
    """The figures of one file as a Markdown table."""
    lines = ["| gallery | " + " | ".join(f"{name:>6}" for name in METRICS) + " |"]
    lines.append("| ------- |" + " -----: |" * len(METRICS))
    for key, note in (("search", ""), ("search_cbgm", " +CBGM")):
        for gallery, figures in scores.get(key, {}).items():
            cells = " | ".join(f"{figures[name]:6.2f}" for name in METRICS)
            lines.append(f"| {gallery + note:<7} | {cells} |")
    detection = ", ".join(f"{name} {value:.2f}" for name, value in scores["detection"].items())
    return "\n".join([*lines, f"detection: {detection}", *interval_lines(scores)])


def interval_lines(scores: dict[str, Any]) -> list[str]:
    """The intervals of the main figures and their differences from the first file, one line for each gallery."""
    lines = []
    for gallery, figures in scores.get("intervals", {}).items():
        cells = ", ".join(f"{name} {figures[name][0]:.2f} to {figures[name][1]:.2f}" for name in ("mAP", "top1"))
        lines.append(f"gallery {gallery}, 95 % over queries: {cells}")
    for gallery, figures in scores.get("minus_first", {}).items():
        cells = ", ".join(f"{name} {difference_cell(figures[name])}" for name in ("mAP", "top1"))
        lines.append(f"gallery {gallery}, minus the first file: {cells}")
    return lines


def difference_cell(found: Mapping[str, float]) -> str:
    """A difference with its interval and its p-value."""
    return f"{found['difference']:+.2f} ({found['low']:+.2f} to {found['high']:+.2f}, p = {found['p_value']:.4f})"


def draw_plot(results: dict[str, dict[str, Any]], num_images: int, labels: Sequence[str] | None = None) -> "Figure":
    """Draw mAP and top-1 against gallery size, one line per file; without labels, a part of its path names it."""
    names = labels or distinct_parts([Path(file_name) for file_name in results])
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


def draw_detection_plot(
    results: Mapping[str, dict[str, Any]], curves: Mapping[str, DetectionCurve], labels: Sequence[str] | None = None
) -> "Figure":
    """Draw the detection curves of all files, each with its AP and its log-average miss rate; for names see above."""
    names = labels or distinct_parts([Path(file_name) for file_name in results])
    precision, missed = {}, {}
    for name, (file_name, curve) in zip(names, curves.items(), strict=True):
        figures = results[file_name]["detection"]
        precision[f"{name}: AP {figures['AP']:.1f}"] = (curve.recall, curve.precision)
        missed[f"{name}: {figures[MISS_RATE]:.1f} % on average"] = (curve.false_per_image, curve.miss_rate)
    return draw_detection_curves(precision, missed)


def write_detection_table(path: Path, curves: Mapping[str, DetectionCurve]) -> None:
    """Write the curves of all files as CSV, a row for each threshold; an older file stays until all is written."""
    with written_aside(path) as aside, aside.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["predictions", *CURVE_COLUMNS])
        for name, curve in curves.items():
            values = [getattr(curve, column).tolist() for column in CURVE_COLUMNS]
            writer.writerows([name, *row] for row in zip(*values, strict=True))


def failed_search(case: FailureCase, frames: Mapping[str, str]) -> FailedSearch:
    """Draw a query beside its answer.

    Args:
        case: the query.
        frames: file by name of the image.

    Returns:
        What the page of failures shows; without a picture where a frame is missing or cannot be read.
    """
    words = [
        f"AP {100 * case.average_precision:.1f}. {REASONS[case.reason]}",
        f"{case.num_boxed} of {case.num_ground_truths} appearances in the gallery have a box.",
        *[f"The best of these is at rank {found.rank}." for found in case.answer if found.is_person][:1],
    ]
    try:
        picture = draw_search_result(
            read_image(frames[case.image], "RGB"),
            case.box,
            [
                DrawnMatch(
                    read_image(frames[found.image], "RGB"), found.box, found.similarity, found.image,
                    is_correct=found.is_person, label=f"rank {found.rank}",
                )
                for found in case.answer
            ],
            query_name=case.image,
        )  # fmt: skip
    except (OSError, ValueError):
        picture = None
    return FailedSearch(f"Query {case.query}: {case.image}", words, picture)
