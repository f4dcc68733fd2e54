"""The slow, obvious twins of the metrics: plain loops over queries, images and boxes."""

import numpy as np
import pytest

from inet_d2.boxes import BoxesByImage
from inet_d2.data.datasets.protocol import LISTED, SearchProtocol
from inet_d2.evaluation.official_walk import iou, walk_gallery


def slow_average_precision(pairs, num_truths, kind="step"):
    """``pairs``: (score, is hit). Walks the thresholds from the highest score down."""
    area, items, hits, before = 0.0, 0, 0, 1.0
    for score in sorted({score for score, _ in pairs}, reverse=True):
        group = [hit for value, hit in pairs if value == score]
        items, hits = items + len(group), hits + sum(group)
        precision = hits / items
        height = precision if kind == "step" else (before + precision) / 2
        area += sum(group) * height
        before = precision
    return area / num_truths if num_truths else 0.0


def slow_search(queries, images, similarity, *, kind, rules="reference", ap="step", excluded=None):
    """The official walk, over lists.

    queries: rows of (image name, entries) with entries (image name, box or None);
    images: name -> list of (row, box); similarity(query, row) -> float; excluded(query, name) -> bool.
    Returns rows of (AP, rank of the best hit or -1, ground truths, hits).
    """
    boxes = {name: [box for _, box in found] for name, found in images.items()}
    results = []
    for number, (own, entries) in enumerate(queries):
        found = walk_gallery(
            own,
            entries,
            boxes,
            lambda name, number=number: [similarity(number, row) for row, _ in images[name]],
            gallery=kind,
            rules=rules,
            is_excluded=lambda name, number=number: bool(excluded and excluded(number, name)),
        )
        pairs = list(zip(found.similarities, found.labels, strict=True))
        average = slow_average_precision(pairs, found.num_ground_truths, ap)
        results.append((average, found.best_rank(), found.num_ground_truths, sum(found.labels)))
    return results


def build_protocol(queries, names, kind=LISTED, cameras=None, query_boxes=None):
    """A SearchProtocol from the plain lists that ``slow_search`` takes; cameras: name -> number."""
    entries = [entry for _, listed in queries for entry in listed]
    rows = {name: row for row, name in enumerate(names)}
    truths = [number for number, (_, box) in enumerate(entries) if box is not None]
    boxes = [[0.0, 0, 10, 20]] * len(queries) if query_boxes is None else query_boxes
    return SearchProtocol(
        name="lists",
        image_names=np.array(names, dtype=str),
        query_names=np.array([own for own, _ in queries], dtype=str),
        query_boxes=np.array(boxes, dtype=np.float64).reshape(-1, 4),
        entry_offsets=np.cumsum([0, *(len(listed) for _, listed in queries)]),
        entry_images=np.array([rows[name] for name, _ in entries], dtype=np.int32),
        truth_entries=np.array(truths, dtype=np.int64),
        truth_boxes=np.array([entries[t][1] for t in truths], dtype=np.float64).reshape(-1, 4),
        gallery=kind,
        image_cameras=None if cameras is None else np.array([cameras[name] for name in names]),
        query_cameras=None if cameras is None else np.array([cameras[own] for own, _ in queries]),
    )


def boxes_by_image(images):
    """``images``: lists of boxes."""
    boxes = np.array([box for found in images for box in found], dtype=np.float64).reshape(-1, 4)
    return BoxesByImage(np.array([len(found) for found in images], dtype=np.int64), boxes)


class Twins:
    """What the tests need from this file."""

    iou = staticmethod(iou)
    average_precision = staticmethod(slow_average_precision)
    search = staticmethod(slow_search)
    protocol = staticmethod(build_protocol)
    boxes_by_image = staticmethod(boxes_by_image)


@pytest.fixture(scope="session")
def twins():
    return Twins


@pytest.fixture
def tiny_case(tiny_datasets):
    """Random predictions for the tiny scenes, with the identity showing through: SearchPredictions."""
    from inet_d2.data.datasets import load_annotations, load_protocol
    from inet_d2.evaluation import SearchPredictions

    generator = np.random.default_rng(0)
    records = load_annotations("cuhk_sysu_test")
    protocol = load_protocol("cuhk_sysu_test", 50)
    identities = generator.standard_normal((protocol.num_queries + 1, 16))
    boxes, pids, counts = [], [], []
    for record in records:
        found = record["annotations"][: generator.integers(2, 9)]
        boxes += [a["bbox"] for a in found] + [[0, 0, 30, 60]]
        pids += [a["person_id"] for a in found] + [-1]
        counts.append(len(found) + 1)
    embeddings = identities[pids] + 1.5 * generator.standard_normal((len(pids), 16))
    return SearchPredictions(
        gallery_names=np.array([r["image_id"] for r in records]),
        gallery_counts=counts,
        gallery_boxes=np.array(boxes) + generator.uniform(-2, 2, (len(boxes), 4)),
        gallery_scores=generator.uniform(0.3, 1, len(boxes)),
        gallery_embeddings=embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True),
        query_names=protocol.query_names,
        query_boxes=protocol.query_boxes,
        query_embeddings=identities[:-1] / np.linalg.norm(identities[:-1], axis=1, keepdims=True),
    )
