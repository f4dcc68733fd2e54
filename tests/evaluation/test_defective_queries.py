"""The six defective queries of CUHK-SYSU's real protocol, rebuilt small, with the counts that the two rules must give.

Every labelled box is detected, and identities are one-hot: an oracle. What lowers its AP are the defects alone.
"""

import os
from pathlib import Path

import numpy as np
import pytest

from inet_d2.boxes import BoxesByImage
from inet_d2.data.datasets.protocol import LISTED, LISTED_THEN_REST
from inet_d2.data.datasets.protocol_mat import read_protocol_lists
from inet_d2.evaluation.search_ranking import rank_queries

BOX, SECOND = [0, 0, 100, 200], [300, 0, 400, 200]
QUERY = "query.jpg"


def plain(count):
    return [(f"positive{i}.jpg", BOX) for i in range(count)]


# number -> entries with the person; people: image -> boxes of that identity.
# 493: the query image is listed with another box of the person: 2 ground truths; its two boxes tie with each other and
#   with the other positive, one of them is no hit: 2 hits in a group of 3 -> (2 * 2/3) / 2 = 0.667.
# 2132: the query image is listed with the query's own box: a free hit, 3 of 3 in a group of 3 -> 1.
# 1250: an image is listed twice with one box. Reference: found twice, 2 hits of 2 items -> 1. SeqNet: once, but both
#   ground truths count: 1 hit of 1 item over 2 -> 0.5.
# 1633, 2561: an image is listed twice with two boxes. Reference: visited twice, 2 * 2 + 1 = 5 items with 3 hits ->
#   (3 * 3/5) / 3 = 0.6. SeqNet: visited once, 3 items with 2 hits -> (2 * 2/3) / 3 = 0.444.
# 1997: the same with 8 ground truths: 6 + 4 = 10 items with 8 hits -> 0.8; SeqNet: 8 items, 7 hits -> 7/8 * 7/8 =
#   0.766.
CASES = {
    493: ([(QUERY, SECOND), *plain(1)], {QUERY: [BOX, SECOND]}, (2, 2, 2 / 3), (2, 2, 2 / 3)),
    2132: ([(QUERY, BOX), *plain(2)], {QUERY: [BOX]}, (3, 3, 1.0), (3, 3, 1.0)),
    1250: ([("twice.jpg", BOX)] * 2, {"twice.jpg": [BOX]}, (2, 2, 1.0), (2, 1, 0.5)),
    1633: (
        [("twice.jpg", BOX), *plain(1), ("twice.jpg", SECOND)],
        {"twice.jpg": [BOX, SECOND]},
        (3, 3, 0.6),
        (3, 2, 4 / 9),
    ),
    1997: (
        [*plain(1), ("twice.jpg", BOX), ("twice.jpg", SECOND), *[(f"more{i}.jpg", BOX) for i in range(5)]],
        {"twice.jpg": [BOX, SECOND]},
        (8, 8, 0.8),
        (8, 7, 49 / 64),
    ),
    2561: (
        [("twice.jpg", BOX), *plain(1), ("twice.jpg", SECOND)],
        {"twice.jpg": [SECOND, BOX]},
        (3, 3, 0.6),
        (3, 2, 4 / 9),
    ),
}


@pytest.mark.parametrize("rules", ["reference", "seqnet"])
@pytest.mark.parametrize("kind", [LISTED, LISTED_THEN_REST])
@pytest.mark.parametrize("query", CASES)
def test_defective_query(twins, query, kind, rules):
    entries, people, reference, seqnet = CASES[query]
    entries = [*entries, ("distractor.jpg", None)]
    boxes = {**{name: [BOX] for name, box in entries if box}, **people, "distractor.jpg": [BOX], QUERY: [BOX]}
    boxes[QUERY] = people.get(QUERY, [BOX])
    names = list(boxes)
    embeddings = np.array([[0, 1] if n == "distractor.jpg" else [1, 0] for n in names for _ in boxes[n]], np.float32)
    gallery = twins.boxes_by_image([boxes[name] for name in names])
    protocol = twins.protocol([(QUERY, entries)], names, kind)
    ranking = rank_queries(np.float32([[1, 0]]), gallery, embeddings, {"x": protocol}, rules=rules)["x"]
    found = ranking.num_ground_truths[0], ranking.num_hits[0], ranking.average_precisions[0]
    assert found == pytest.approx(reference if rules == "reference" else seqnet)


REAL = Path(os.environ.get("INET_D2_REAL_DATA", "")) / "TestG100.mat"


@pytest.mark.skipif(
    "INET_D2_REAL_DATA" not in os.environ or not REAL.is_file(),
    reason="INET_D2_REAL_DATA does not name a folder with CUHK-SYSU's TestG100.mat",
)
def test_ceilings_of_the_real_protocol(twins):
    lists = read_protocol_lists(REAL, "TestG100", remedy="")
    names = np.concatenate([lists.query_names, lists.truth_names])
    boxes = np.concatenate([lists.query_boxes, lists.truth_boxes])
    boxes[:, 2:] += boxes[:, :2]
    ids = np.concatenate([np.arange(len(lists.query_names)), lists.truth_queries])
    labelled = np.unique(np.column_stack([np.unique(names, return_inverse=True)[1], boxes, ids]), axis=0)
    images = np.unique(np.concatenate([names, lists.gallery_names]))
    assert (len(labelled), len(images), len(lists.query_names)) == (8345, 6978, 2900)
    protocol = twins.protocol(queries_of(lists), images.tolist(), query_boxes=boxes[:2900])
    assert protocol.num_ground_truths.sum() == 5447
    rows = np.searchsorted(images, np.unique(names)[labelled[:, 0].astype(int)])
    gallery = BoxesByImage(np.bincount(rows, minlength=len(images)), labelled[:, 1:5])
    identities = np.eye(2900, dtype=np.float32)
    oracle = identities[labelled[:, 5].astype(int)]
    expected = {493: (2, 2, 2), 1250: (2, 2, 1), 1633: (3, 3, 2), 1997: (8, 8, 7), 2132: (3, 3, 3), 2561: (3, 3, 2)}
    for place, (rules, ceiling) in enumerate([("reference", 0.99954), ("seqnet", 0.99925)], start=1):
        ranking = rank_queries(identities, gallery, oracle, {"x": protocol}, rules=rules)["x"]
        assert ranking.figures()["mAP"] / 100 == pytest.approx(ceiling, abs=5e-6)
        for query, counts in expected.items():
            assert ranking.num_ground_truths[query] == counts[0]
            assert ranking.num_hits[query] == counts[place]


def queries_of(lists):
    truths = dict(zip(lists.truth_entries.tolist(), lists.truth_boxes.tolist(), strict=True))
    corners = {entry: [x, y, x + w, y + h] for entry, (x, y, w, h) in truths.items()}
    names = lists.gallery_names[lists.entry_names].tolist()
    return [
        (own, [(names[entry], corners.get(entry)) for entry in range(*lists.entry_offsets[query : query + 2])])
        for query, own in enumerate(lists.query_names.tolist())
    ]
