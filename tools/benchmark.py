"""Measure the speed of parts of inet_d2 on this machine.

Examples:
    python tools/benchmark.py --task score
    python tools/benchmark.py --task score --queries 500 --images 2000 --detections 9000
    python tools/benchmark.py --task train
    python tools/benchmark.py --task memory

--task score: all queries against the full gallery, on random detections, and beside it in the same run the
bare matrix product and sort of the same size, and the official query-by-query walk (on a sample of queries,
scaled up).

--task train, --task memory: training steps of I-Net, Faster R-CNN and HEP; their options are those of
tools/benchmark_train.py (see its --help).
"""

import argparse
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from inet_d2.boxes import BoxesByImage
from inet_d2.data.datasets.protocol import LISTED, LISTED_THEN_REST, SearchProtocol
from inet_d2.evaluation.search_metric import average_precision
from inet_d2.evaluation.search_ranking import rank_queries

GALLERY_SIZES = (50, 100, 500, 1000, 2000, 4000)
QUERIES_AT_ONCE = 128


def peak_memory_mib() -> float:
    """Largest resident memory of this process so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1 << 20 if sys.platform == "darwin" else 1 << 10)


def seconds(work: Callable[[], object]) -> float:
    """Wall time of one call."""
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


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


def iou_one(box: Sequence[float], other: Sequence[float]) -> float:
    """Overlap of two boxes, the way the official code computes it: one pair at a time."""
    width = max(0.0, min(box[2], other[2]) - max(box[0], other[0]))
    height = max(0.0, min(box[3], other[3]) - max(box[1], other[1]))
    both = width * height
    areas = (box[2] - box[0]) * (box[3] - box[1]) + (other[2] - other[0]) * (other[3] - other[1])
    return both / (areas - both)


class OfficialWalk:
    """The full gallery as the official code walks it: query by query, image by image; reference rules."""

    def __init__(self, protocol: SearchProtocol, gallery: BoxesByImage, embeddings: np.ndarray) -> None:
        rows = np.split(np.arange(len(embeddings)), gallery.starts[1:])
        self.detections = {
            str(name): (gallery.boxes[found], embeddings[found])
            for name, found in zip(protocol.image_names, rows, strict=True)
            if len(found)
        }
        self.protocol = protocol
        self.truths = dict(zip(protocol.truth_entries.tolist(), protocol.truth_boxes.tolist(), strict=True))

    def search(self, query: int, vector: np.ndarray) -> tuple[float, int]:
        """Average precision and rank of the best hit of one query."""
        visited = {str(self.protocol.query_names[query])}
        labels, similarities, images, places, num_truths = (
            [],
            [],
            [],
            [],
            0,
        )  # the last two for its list of the best ten
        for entry in range(*self.protocol.entry_offsets[query : query + 2]):
            name = str(self.protocol.image_names[self.protocol.entry_images[entry]])
            visited.add(name)
            num_truths += entry in self.truths
            if name not in self.detections:
                continue
            boxes, embeddings = self.detections[name]
            values = embeddings.dot(vector)
            found = np.zeros(len(values), dtype=bool)
            if entry in self.truths:
                self.mark_hit(found, values, boxes, self.truths[entry])
            labels.extend(found)
            similarities.extend(values)
            images.extend([name] * len(values))
            places.extend(boxes)
        for name, (boxes, embeddings) in self.detections.items():
            if name not in visited:
                values = embeddings.dot(vector)
                labels.extend([False] * len(values))
                similarities.extend(values)
                images.extend([name] * len(values))
                places.extend(boxes)
        ranked, hits = np.asarray(similarities), np.asarray(labels)
        best = np.flatnonzero(hits[np.argsort(-ranked, kind="stable")])
        return average_precision(ranked, hits, num_truths), int(best[0]) if len(best) else -1

    @staticmethod
    def mark_hit(found: np.ndarray, values: np.ndarray, boxes: np.ndarray, truth: Sequence[float]) -> None:
        """The most similar detection that overlaps the person enough."""
        width, height = truth[2] - truth[0], truth[3] - truth[1]
        needed = min(0.5, width * height / ((width + 10) * (height + 10)))
        for place in np.argsort(-values, kind="stable"):
            if iou_one(truth, boxes[place]) >= needed:
                found[place] = True
                return


def benchmark_score(options: argparse.Namespace) -> None:
    """Time scoring against the bare work and against the walk, and check that the walk gives the same figures."""
    generator = np.random.default_rng(0)
    gallery = make_gallery(generator, options.images, options.detections)
    embeddings = unit_rows(generator, options.detections, options.size)
    queries = unit_rows(generator, options.queries, options.size)
    full = make_protocol(generator, gallery, options.queries, 50, LISTED_THEN_REST)
    before = peak_memory_mib()
    rankings = {}
    ours = seconds(lambda: rankings.update(rank_queries(queries, gallery, embeddings, {"all": full})))
    memory = peak_memory_mib()
    bare = seconds(lambda: bare_product_and_sort(queries, embeddings))
    sample = range(min(options.walk_queries, options.queries))
    walked: list[tuple[float, int]] = []
    official = OfficialWalk(full, gallery, embeddings)
    walk = seconds(lambda: walked.extend(official.search(query, queries[query]) for query in sample))
    walk *= options.queries / len(sample)
    difference = max(abs(rankings["all"].average_precisions[q] - walked[q][0]) for q in sample)
    print(f"{options.queries} queries x {options.images} images, {options.detections} x {options.size} embeddings")
    print(f"scoring, full gallery         {ours:8.2f} s")
    print(f"bare matrix product and sort  {bare:8.2f} s   scoring takes {ours / bare:.2f} times as long")
    print(f"query-by-query walk           {walk:8.2f} s   scoring is {walk / ours:.0f} times faster", end="")
    print(f" (walk measured on {len(sample)} queries; largest difference in AP {difference:.1e})")
    print(f"peak memory                   {memory:8.0f} MiB  of which {memory - before:.0f} MiB for scoring")
    sizes = [size for size in GALLERY_SIZES if size <= options.images]
    protocols = {str(size): make_protocol(generator, gallery, options.queries, size) for size in sizes}
    together = seconds(lambda: rank_queries(queries, gallery, embeddings, protocols))
    print(f"gallery sizes {' '.join(protocols)} at once: {together:.2f} s, peak memory {peak_memory_mib():.0f} MiB")


TASKS: dict[str, Callable[[argparse.Namespace], None]] = {"score": benchmark_score}
TRAIN_TASKS = ("train", "memory")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tool."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", required=True, choices=(*TASKS, *TRAIN_TASKS))
    score = parser.add_argument_group("score")
    score.add_argument("--queries", type=int, default=2900)
    score.add_argument("--images", type=int, default=6978)
    score.add_argument("--detections", type=int, default=30000)
    score.add_argument("--size", type=int, default=256, help="length of an embedding")
    score.add_argument("--walk-queries", type=int, default=40, help="queries that the slow walk really does")
    options, rest = parser.parse_known_args(arguments)
    if options.task in TRAIN_TASKS:
        script = Path(__file__).with_name("benchmark_train.py")
        return subprocess.run([sys.executable, script, "--task", options.task, *rest]).returncode
    if rest:
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    for name in ("queries", "images", "detections", "size", "walk_queries"):
        if getattr(options, name) < 1:
            parser.error(f"--{name.replace('_', '-')}: expected at least 1, found {getattr(options, name)}")
    TASKS[options.task](options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
