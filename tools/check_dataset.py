"""Count what a copy of a data set holds, beside the published numbers, and list what is wrong with it.

Examples:
    DETECTRON2_DATASETS=/data python tools/check_dataset.py --dataset cuhk_sysu
    python tools/check_dataset.py --dataset prw --json counts.json
    python tools/check_dataset.py --dataset market1501    # crops and tracklets: see docs/reid.md
    python tools/check_dataset.py --dataset shop_train --config-file shop.yaml    # of your own, see docs/own_data.md

The counts need the annotations only. Frames are looked for and their headers read; a copy of CUHK-SYSU or PRW without
any frame is taken for an annotation-only copy. --decode also decodes every frame (minutes).
Exit status: 0; 1 when frames are missing or damaged; 2 when an argument or an annotation file does not fit.
"""

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from inet_d2.command_line import exit_status
from inet_d2.data.datasets import (
    dataset_root,
    gallery_sizes_of,
    load_annotations,
    load_protocol,
    load_records,
    reid_split_names,
)
from inet_d2.data.datasets.cuhk_sysu import GALLERY_SIZES
from inet_d2.data.datasets.frames import read_frame_sizes
from inet_d2.data.datasets.tracklet_records import is_tracklets, load_tracklets
from inet_d2.data.pids import is_labelled
from inet_d2.data.training_records import check_images
from inet_d2.engine import load_config
from inet_d2.files import write_json
from inet_d2.image_file import read_image

PUBLISHED = {
    "cuhk_sysu": {
        "train": {
            "images": 11206,
            "boxes": 55272,
            "labelled_boxes": 15085,
            "ids": 5532,
            "pairs": "about 16000",
            "images_without_label": 1490,
        },
        "test": {
            "images": 6978,
            "boxes": 40871,
            "labelled_boxes": 8345,
            "ids": 2900,
            "queries": 2900,
            "images_without_label": 0,
        },
    },
    "prw": {
        "train": {"images": 5704, "boxes": 18048, "labelled_boxes": 14907, "ids": 483, "images_without_label": 40},
        "test": {
            "images": 6112,
            "boxes": 25062,
            "labelled_boxes": 19127,
            "ids": 544,
            "queries": 2057,
            "images_without_label": 46,
        },
    },
}
# Of the gallery, people of unknown identity are distractors. Market-1501's junk is left out.
PUBLISHED_REID = {
    "market1501": {
        "train": {"images": 12936, "ids": 751, "cameras": 6, "distractors": 0},
        "query": {"images": 3368, "ids": 750, "cameras": 6, "distractors": 0},
        "gallery": {"images": 15913, "ids": 750, "cameras": 6, "distractors": 2798},
    },
    "dukemtmc_reid": {
        "train": {"images": 16522, "ids": 702, "cameras": 8, "distractors": 0},
        "query": {"images": 2228, "ids": 702, "cameras": 8, "distractors": 0},
        "gallery": {"images": 17661, "ids": 1110, "cameras": 8, "distractors": 0},
    },
    "cuhk03_detected": {
        "train": {"images": 7365, "ids": 767, "cameras": 2, "distractors": 0},
        "query": {"images": 1400, "ids": 700, "cameras": 2, "distractors": 0},
        "gallery": {"images": 5332, "ids": 700, "cameras": 2, "distractors": 0},
    },
    "cuhk03_labelled": {
        "train": {"images": 7368, "ids": 767, "cameras": 2, "distractors": 0},
        "query": {"images": 1400, "ids": 700, "cameras": 2, "distractors": 0},
        "gallery": {"images": 5328, "ids": 700, "cameras": 2, "distractors": 0},
    },
    "msmt17": {
        "train": {"images": 32621, "ids": 1041, "cameras": 15, "distractors": 0},
        "query": {"images": 11659, "ids": 3060, "cameras": 15, "distractors": 0},
        "gallery": {"images": 82161, "ids": 3060, "cameras": 15, "distractors": 0},
    },
    # Junk is left out of MARS's gallery, which holds the queries, too.
    "mars": {
        "train": {"tracklets": 8298, "images": 509914, "ids": 625, "cameras": 6, "distractors": 0},
        "query": {"tracklets": 1980, "ids": 626, "cameras": 6, "distractors": 0},
        "gallery": {"tracklets": 12180 - 870, "ids": 634, "cameras": 6, "distractors": 3248},
    },
    "dukemtmc_video": {
        "train": {"tracklets": 2196, "ids": 702, "cameras": 8, "distractors": 0},
        "query": {"tracklets": 702, "ids": 702, "cameras": 8, "distractors": 0},
        "gallery": {"tracklets": 2636, "ids": 1110, "cameras": 8, "distractors": 0},
    },
}
JSON_KEYS = {
    "train": ("images", "ids", "labelled_boxes", "pairs"),
    "test": ("images", "labelled_boxes"),
}
SHOWN_PROBLEMS = 20


def count_split(records: Sequence[dict[str, Any]]) -> dict[str, int]:
    """Count images, boxes, ids and same-identity image pairs of one split."""
    lengths = [len(record["annotations"]) for record in records]
    images = np.repeat(np.arange(len(records)), lengths)
    pids = np.array([a["person_id"] for record in records for a in record["annotations"]], dtype=np.int64)
    known = is_labelled(pids)
    appearances = np.unique(np.column_stack([pids[known], images[known]]), axis=0)
    images_of_id = np.unique(appearances[:, 0], return_counts=True)[1]
    return {
        "images": len(records),
        "boxes": len(pids),
        "labelled_boxes": int(known.sum()),
        "unlabelled_boxes": int((~known).sum()),
        "images_without_label": len(records) - len(np.unique(images[known])),
        "ids": len(images_of_id),
        "pairs": int((images_of_id * (images_of_id - 1) // 2).sum()),
    }


def published_counts(dataset: str, split: str) -> dict[str, Any]:
    """The published numbers of a split, with the difference that follows from them; nothing for other data sets."""
    if dataset in PUBLISHED_REID:
        return PUBLISHED_REID[dataset][split]
    if dataset not in PUBLISHED:
        return {}
    numbers: dict[str, Any] = dict(PUBLISHED[dataset][split])
    return {**numbers, "unlabelled_boxes": numbers["boxes"] - numbers["labelled_boxes"]}


def format_counts(dataset: str, counts: dict[str, dict[str, int]]) -> str:
    """Counts beside the published numbers, as a Markdown table."""
    width = max(map(len, ["split", *counts]))
    lines = [
        f"| {'split':<{width}} | count                | this copy |   published |",
        f"| {'-' * width} | -------------------- | --------: | ----------: |",
    ]
    for split, found in counts.items():
        published = published_counts(dataset, split)
        for name, value in found.items():
            expected = published.get(name, "-")
            lines.append(f"| {split:<{width}} | {name.replace('_', ' '):<20} | {value:>9} | {expected!s:>11} |")
    return "\n".join(lines)


def lacks_frames(paths: Sequence[Path]) -> bool:
    """Whether a copy has annotations only; says so."""
    folder = paths[0].parent if paths else Path()
    if folder.is_dir() and any(folder.iterdir()):
        return False
    print(f"frames: {folder} holds none; annotation-only copy, frames are not checked")
    return True


def find_frame_problems(paths: Sequence[Path], *, decode: bool) -> list[str]:
    """One sentence per frame that is missing or unreadable."""
    sizes, problems = read_frame_sizes(paths)
    if decode:
        readable = [path for path, size in zip(paths, sizes, strict=True) if size is not None]
        with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
            problems += [problem for problem in pool.map(decode_problem, readable) if problem]
    print(f"frames: {len(paths) - len(problems)} of {len(paths)} are readable")
    return problems


def decode_problem(path: Path) -> str:
    """Why a frame cannot be decoded, or nothing."""
    try:
        read_image(path, "RGB")
    except ValueError as error:
        return str(error)
    return ""


def check(dataset: str, *, decode: bool) -> tuple[dict[str, int], list[str]]:
    """Print the counts of a published data set; return those for --json and the problems with frames."""
    records = {split: load_annotations(f"{dataset}_{split}") for split in ("train", "test")}
    counts = {split: count_split(found) for split, found in records.items()}
    counts["test"]["queries"] = load_protocol(f"{dataset}_test", 0).num_queries
    print(format_counts(dataset, counts))
    if gallery_sizes_of(f"{dataset}_test", GALLERY_SIZES) == GALLERY_SIZES:
        folder = dataset_root(dataset) / "annotation" / "test" / "train_test"
        absent = [f"TestG{size}.mat" for size in GALLERY_SIZES if not (folder / f"TestG{size}.mat").is_file()]
        print(f"search protocols: {', '.join(absent) + ' absent' if absent else 'all present'}")
    paths = [Path(record["file_name"]) for split in records.values() for record in split]
    problems = [] if lacks_frames(paths) else find_frame_problems(paths, decode=decode)
    found = {f"{split}_{key}": counts[split][key] for split, keys in JSON_KEYS.items() for key in keys}
    return {**found, "queries": counts["test"]["queries"]}, problems


def count_crops(records: Sequence[dict[str, Any]]) -> dict[str, int]:
    """Count images, ids, cameras and distractors of one split of a re-identification data set."""
    pids = np.array([record["annotations"][0]["person_id"] for record in records], dtype=np.int64)
    known = is_labelled(pids)
    return {
        "images": len(records),
        "ids": len(np.unique(pids[known])),
        "cameras": len({record["camera_id"] for record in records}),
        "distractors": int((~known).sum()),
    }


def count_tracklets(records: Sequence[dict[str, Any]]) -> dict[str, int]:
    """Count tracklets, their images, ids, cameras and distractors of one split."""
    people = [{**record, "annotations": [record]} for record in records]
    counts = {"tracklets": len(records), **count_crops(people)}
    return {**counts, "images": sum(len(record["file_names"]) for record in records)}


def check_reid(dataset: str, *, decode: bool) -> tuple[dict[str, int], list[str]]:
    """The same for crops, whose headers are read as they are counted, and for tracklets."""
    names = reid_split_names(dataset)
    load, count = (load_tracklets, count_tracklets) if is_tracklets(names["train"]) else (load_records, count_crops)
    records = {split: load(name) for split, name in names.items()}
    counts = {split: count(found) for split, found in records.items()}
    print(format_counts(dataset, counts))
    files = (path for split in records.values() for r in split for path in r.get("file_names") or [r["file_name"]])
    paths = list(dict.fromkeys(map(Path, files)))
    problems = find_frame_problems(paths, decode=decode) if decode or count is count_tracklets else []
    return {f"{split}_{name}": value for split, found in counts.items() for name, value in found.items()}, problems


def check_own(name: str, *, decode: bool) -> tuple[dict[str, int], list[str]]:
    """The same for one split of the user's own, whose search protocol may be impossible."""
    records = load_annotations(name)
    counts = count_split(records)
    try:
        counts["queries"] = load_protocol(name, 0).num_queries
    except ValueError as error:
        print(f"search protocol: none ({error})")
    print(format_counts(name, {name: counts}))
    check_images([name], [records])
    problems = find_frame_problems([Path(record["file_name"]) for record in records], decode=decode)
    if not problems:
        load_records(name)  # with the sizes of the frames, in which the boxes have to lie
    return counts, problems


def run(options: argparse.Namespace) -> list[str]:
    """Count, print, and write what the options ask for; return the problems with frames.

    Raises:
        OSError, ValueError: an argument or an annotation file does not fit.
    """
    if options.config_file:
        load_config(options.config_file)
    look = check if options.dataset in PUBLISHED else check_reid if reid_split_names(options.dataset) else check_own
    counts, problems = look(options.dataset, decode=options.decode)
    if options.json:
        write_json(options.json, counts)
    return problems


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tool."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", required=True, help="one of the published ones, or a registered split of yours")
    parser.add_argument("--config-file", default="", help="its DATASETS.OWN or EXTENSIONS registers your own data set")
    parser.add_argument("--json", type=Path, help="write the counts here")
    parser.add_argument("--decode", action="store_true", help="decode every frame instead of reading headers only")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    problems: list[str] = []
    if status := exit_status("check_dataset", lambda: problems.extend(run(options))):
        return status
    for problem in problems[:SHOWN_PROBLEMS]:
        print(problem)
    if len(problems) > SHOWN_PROBLEMS:
        print(f"and {len(problems) - SHOWN_PROBLEMS} more")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
