"""Mean colour as a descriptor: how much of a data set's search can be solved without learning anything.

Writes predictions on the annotated boxes of a test split, to be scored by tools/score_search.py.
"""

import argparse
import sys
from pathlib import Path

import inet_d2  # noqa: F401  # isort: skip  (first: it keeps a warning of fvcore back)
import cv2
import numpy as np
from tqdm import tqdm

from inet_d2.command_line import exit_status
from inet_d2.data.datasets.builtin import load_protocol, load_records
from inet_d2.data.records import annotation_boxes, image_name, people_of
from inet_d2.evaluation import SearchPredictions
from inet_d2.files import check_output
from inet_d2.image_file import read_image

EXAMPLES = """
Example:
  python tools/colour_baseline.py --dataset cuhk_sysu_test --output output/mean_colour/predictions.npz
  python tools/score_search.py --dataset cuhk_sysu_test --predictions output/mean_colour/predictions.npz \\
      --gallery-size 50
"""


def main(arguments: list[str] | None = None) -> int:
    """Run the tool; 0, or 2 with one sentence for input that cannot be used."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--dataset", required=True, metavar="NAME", help="registered test split")
    parser.add_argument("--output", required=True, type=Path, metavar="NPZ", help="predictions to write")
    args = parser.parse_args(arguments)
    return exit_status("colour_baseline", lambda: write(args.dataset, args.output))


def write(dataset_name: str, output: Path) -> None:
    """Describe a test split and save the predictions.

    Raises:
        OSError, ValueError: the data set is not there, or the file cannot be written.
    """
    check_output(output, "--output")
    predictions = describe(dataset_name)
    output.parent.mkdir(parents=True, exist_ok=True)
    predictions.save(output)
    print(f"predictions: {output}")


def describe(dataset_name: str) -> SearchPredictions:
    """Describe all annotated boxes and all queries of a test split.

    Args:
        dataset_name: a registered test split.

    Returns:
        Predictions whose scores are all 1.

    Raises:
        OSError, ValueError: it is no test split with a search protocol, or its files do not fit.
    """
    protocol = load_protocol(dataset_name)
    records = load_records(dataset_name)
    queries = protocol.queries_by_image()
    query_colours = np.zeros((len(protocol.query_names), 3))
    gallery_colours, gallery_boxes = [], []
    for record in tqdm(records, desc="mean colours", unit="frame"):
        image = read_image(record["file_name"], "RGB")
        boxes = annotation_boxes(people_of(record))
        gallery_boxes.append(boxes)
        gallery_colours.append(mean_colours(image, boxes))
        if image_name(record) in queries:
            indices, query_boxes = queries[image_name(record)]
            query_colours[indices] = mean_colours(image, query_boxes)
    return SearchPredictions(
        gallery_names=np.array([image_name(record) for record in records]),
        gallery_counts=np.array([len(boxes) for boxes in gallery_boxes]),
        gallery_boxes=np.concatenate(gallery_boxes),
        gallery_scores=np.ones(sum(len(boxes) for boxes in gallery_boxes)),
        gallery_embeddings=on_sphere(np.concatenate(gallery_colours)),
        query_names=protocol.query_names,
        query_boxes=protocol.query_boxes,
        query_embeddings=on_sphere(query_colours),
    )


def mean_colours(image: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Mean colour inside each box.

    One table of running sums answers for all boxes.

    Args:
        image: (H, W, 3) uint8.
        boxes: (n, 4) XYXY pixels; they are rounded and clipped to hold at least one pixel.

    Returns:
        (n, 3) float64 in [0, 255].
    """
    height, width = image.shape[:2]
    sums = cv2.integral(image, sdepth=cv2.CV_64F)
    x1, y1 = (np.clip(boxes[:, i].round().astype(int), 0, size - 1) for i, size in ((0, width), (1, height)))
    x2 = np.clip(boxes[:, 2].round().astype(int), x1 + 1, width)
    y2 = np.clip(boxes[:, 3].round().astype(int), y1 + 1, height)
    total = sums[y2, x2] - sums[y1, x2] - sums[y2, x1] + sums[y1, x1]
    return total / ((x2 - x1) * (y2 - y1))[:, None]


def on_sphere(colours: np.ndarray) -> np.ndarray:
    """Lay the colour cube on the unit sphere, where inner products rank nearly as distances do.

    Args:
        colours: (n, 3) in [0, 255].

    Returns:
        (n, 4) float32, unit length.
    """
    patch = colours / 255 - 0.5
    return np.column_stack([patch, np.sqrt(1 - (patch**2).sum(axis=1))]).astype(np.float32)


if __name__ == "__main__":
    sys.exit(main())
