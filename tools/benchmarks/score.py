"""Scoring: all queries against the full gallery, on random detections.

Beside it, in turn and in the same run: the bare matrix product and sort of the same size, and the official
query-by-query walk (on a sample of queries, scaled up).

Examples:
    python tools/benchmark.py --task score
    python tools/benchmark.py --task score --queries 500 --images 2000 --detections 9000
    OMP_NUM_THREADS=1 python tools/benchmark.py --task score --clock cpu --repetitions 5
"""

import argparse

import numpy as np

from benchmarks.measuring import add_clock, at_least_one, clock, in_turn, machine, peak_mib, ratio, seconds, timed
from inet_d2.boxes import BoxesByImage
from inet_d2.data.datasets.protocol import LISTED, LISTED_THEN_REST, SearchProtocol
from inet_d2.evaluation.official_walk import entries_of, walk_gallery
from inet_d2.evaluation.search_metric import average_precision
from inet_d2.evaluation.search_ranking import rank_queries

GALLERY_SIZES = (50, 100, 500, 1000, 2000, 4000)
QUERIES_AT_ONCE = 128


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Sizes, and how often they are measured."""
    parser.add_argument("--queries", type=at_least_one, default=2900)
    parser.add_argument("--images", type=at_least_one, default=6978)
    parser.add_argument("--detections", type=at_least_one, default=30000)
    parser.add_argument("--size", type=at_least_one, default=256, help="length of an embedding (default 256)")
    parser.add_argument(
        "--walk-queries", type=at_least_one, default=40, help="queries that the slow walk really does (default 40)"
    )
    parser.add_argument("--repetitions", type=at_least_one, default=3, help="of scoring and of the bare work")
    add_clock(parser)


def unit_rows(generator: np.random.Generator, rows: int, size: int) -> np.ndarray:
    """Random unit vectors, (rows, size) float32."""
    values = generator.standard_normal((rows, size), dtype=np.float32)
    return values / np.linalg.norm(values, axis=1, keepdims=True)


def make_gallery(generator: np.random.Generator, images: int, detections: int) -> BoxesByImage:
    """Random boxes spread over the images."""
    counts = np.bincount(generator.integers(images, size=detections), minlength=images)
    corners = generator.uniform(0, 600, (detections, 2))
    return BoxesByImage(
        counts, np.concatenate([corners, corners + generator.uniform(20, 200, (detections, 2))], axis=1)
    )


def make_protocol(
    generator: np.random.Generator, gallery: BoxesByImage, queries: int, size: int, kind: str = LISTED
) -> SearchProtocol:
    """A protocol whose queries have about 1.9 ground truths, as CUHK-SYSU's, each on a random detection."""
    images = len(gallery.counts)
    truths = np.minimum(generator.geometric(1 / 1.88, queries), 13)
    lists = np.argsort(generator.random((queries, min(4 * size, images))), axis=1)[:, :size].astype(np.int32)
    lists = (lists + generator.integers(images, size=(queries, 1), dtype=np.int32)) % images
    entries = np.concatenate([q * lists.shape[1] + np.arange(n) for q, n in enumerate(truths)])
    shown = lists.reshape(-1)[entries]
    boxes = np.array([[10.0, 10.0, 60.0, 160.0]]).repeat(len(shown), axis=0)
    filled = gallery.counts[shown] > 0
    boxes[filled] = gallery.boxes[gallery.starts[shown[filled]]]
    return SearchProtocol(
        name=f"random {size}",
        image_names=np.array([f"s{i}.jpg" for i in range(images)]),
        query_names=np.array([f"s{i}.jpg" for i in generator.integers(images, size=queries)]),
        query_boxes=np.array([[0.0, 0.0, 50.0, 100.0]]).repeat(queries, axis=0),
        entry_offsets=np.arange(queries + 1) * lists.shape[1],
        entry_images=lists.reshape(-1),
        truth_entries=entries,
        truth_boxes=boxes,
        gallery=kind,
    )


def bare_product_and_sort(queries: np.ndarray, embeddings: np.ndarray) -> None:
    """The least that ranking every query takes when it sorts."""
    for first in range(0, len(queries), QUERIES_AT_ONCE):
        np.sort(queries[first : first + QUERIES_AT_ONCE] @ embeddings.T, axis=1)


class OfficialWalk:
    """The official walk over one protocol: one small product for each image of each query's gallery."""

    def __init__(self, protocol: SearchProtocol, gallery: BoxesByImage, embeddings: np.ndarray) -> None:
        rows = np.split(np.arange(len(embeddings)), gallery.starts[1:])
        names = protocol.image_names.tolist()
        self.boxes = {name: gallery.boxes[found] for name, found in zip(names, rows, strict=True)}
        self.embeddings = {name: embeddings[found] for name, found in zip(names, rows, strict=True)}
        self.protocol = protocol

    def search(self, query: int, vector: np.ndarray) -> tuple[float, int]:
        """Average precision and rank of the best hit of one query."""
        found = walk_gallery(
            str(self.protocol.query_names[query]),
            entries_of(self.protocol, query),
            self.boxes,
            lambda name: self.embeddings[name].dot(vector),
            gallery=self.protocol.gallery,
        )
        ranked = np.asarray(found.similarities), np.asarray(found.labels, dtype=bool)
        return average_precision(*ranked, found.num_ground_truths), found.best_rank()


def run(options: argparse.Namespace) -> None:
    """Time scoring against the bare work and against the walk, and check that the walk gives the same figures."""
    generator = np.random.default_rng(0)
    gallery = make_gallery(generator, options.images, options.detections)
    embeddings = unit_rows(generator, options.detections, options.size)
    queries = unit_rows(generator, options.queries, options.size)
    full = make_protocol(generator, gallery, options.queries, 50, LISTED_THEN_REST)
    print(machine())
    print(f"{options.queries} queries x {options.images} images, {options.detections} x {options.size} embeddings")
    before = peak_mib()
    ranking = rank_queries(queries, gallery, embeddings, {"all": full})["all"]
    memory = peak_mib() - before
    now = clock(options.clock, "cpu")
    times = in_turn(
        {
            "scoring": timed(lambda: rank_queries(queries, gallery, embeddings, {"all": full}), now),
            "bare": timed(lambda: bare_product_and_sort(queries, embeddings), now),
        },
        options.repetitions,
        warm_up=0,
    )
    ours, bare = (float(np.median(times[name])) for name in ("scoring", "bare"))
    middle, low, high = ratio(times["scoring"], times["bare"])
    print(f"scoring, full gallery         {ours:8.2f} s ({options.clock} time, median of {options.repetitions})")
    print(f"bare matrix product and sort  {bare:8.2f} s   scoring takes {middle:.2f} ({low:.2f} to {high:.2f}) as long")
    walk_sample(options, OfficialWalk(full, gallery, embeddings), queries, ranking.average_precisions, ours)
    print(f"memory for scoring            {memory:8.0f} MiB")
    sizes = [size for size in GALLERY_SIZES if size <= options.images]
    protocols = {str(size): make_protocol(generator, gallery, options.queries, size) for size in sizes}
    together = seconds(lambda: rank_queries(queries, gallery, embeddings, protocols), now)
    print(f"gallery sizes {' '.join(protocols)} at once: {together:.2f} s, {together / ours:.2f} of the full gallery")


def walk_sample(
    options: argparse.Namespace, walk: OfficialWalk, queries: np.ndarray, precisions: np.ndarray, ours: float
) -> None:
    """Walk some of the queries and print how much longer all would take, and whether the figures are the same."""
    sample = range(min(options.walk_queries, options.queries))
    walked: list[tuple[float, int]] = []
    work = seconds(
        lambda: walked.extend(walk.search(query, queries[query]) for query in sample), clock(options.clock, "cpu")
    )
    work *= options.queries / len(sample)
    difference = max(abs(precisions[query] - walked[query][0]) for query in sample)
    print(f"query-by-query walk           {work:8.2f} s   scoring is {work / ours:.0f} times faster", end="")
    print(f" (walk measured on {len(sample)} queries; largest difference in AP {difference:.1e})")
