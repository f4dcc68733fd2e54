import logging
from dataclasses import replace

import numpy as np
import pytest

from inet_d2.data.datasets import load_annotations
from inet_d2.evaluation import load_scoring_data, score_predictions
from inet_d2.evaluation.graph_matching import context_of_queries

TEST = "cuhk_sysu_test"


def without_detections(predictions):
    return replace(
        predictions,
        gallery_counts=0 * predictions.gallery_counts,
        gallery_boxes=predictions.gallery_boxes[:0],
        gallery_scores=predictions.gallery_scores[:0],
        gallery_embeddings=predictions.gallery_embeddings[:0],
    )


def perfect(predictions, data):
    """The annotated boxes, with one-hot identities."""
    records = load_annotations(TEST)
    found = [a for record in records for a in record["annotations"]]
    size = len(predictions.query_names)
    return replace(
        predictions,
        gallery_counts=np.array([len(r["annotations"]) for r in records]),
        gallery_boxes=np.array([a["bbox"] for a in found]),
        gallery_scores=np.ones(len(found)),
        gallery_embeddings=np.eye(size + 1, size)[[a["person_id"] for a in found]],
        query_embeddings=np.eye(size),
    )


def test_perfect_predictions_give_100(tiny_case):
    data = load_scoring_data(TEST, [50, 0])
    scores = score_predictions(perfect(tiny_case, data), data).as_dict()
    assert scores["detection"] == {"AP": 100.0, "recall": 100.0, "recall_labelled": 100.0}
    assert scores["search"] == {
        name: {"mAP": 100.0, "top1": 100.0, "top5": 100.0, "top10": 100.0} for name in ("50", "all")
    }


def test_against_the_slow_walk(twins, tiny_case):
    data = load_scoring_data(TEST, [50, 0])
    protocol = data.protocols["50"]
    offsets, truths = protocol.entry_offsets, protocol.truth_entries.tolist()
    names = protocol.image_names
    box_of = dict(zip(truths, protocol.truth_boxes.tolist(), strict=True))
    lists = [
        (own, [(str(names[protocol.entry_images[e]]), box_of.get(e)) for e in range(*offsets[q : q + 2])])
        for q, own in enumerate(protocol.query_names.tolist())
    ]
    kept = tiny_case.gallery_scores >= 0.5
    owners = np.repeat(tiny_case.gallery_names, tiny_case.gallery_counts)
    images = {
        str(name): [(row, tiny_case.gallery_boxes[row]) for row in np.flatnonzero(kept & (owners == name))]
        for name in names
    }
    embeddings = tiny_case.gallery_embeddings.astype(np.float64)
    queries = tiny_case.query_embeddings.astype(np.float64)
    for name, kind in (("50", "listed"), ("all", "listed_then_rest")):
        expected = twins.search(lists, images, lambda q, row: float(queries[q] @ embeddings[row]), kind=kind)
        found = score_predictions(tiny_case, data).search[name]
        assert found["mAP"] == pytest.approx(100 * np.mean([e[0] for e in expected]))
        assert found["top1"] == pytest.approx(100 * np.mean([e[1] == 0 for e in expected]))
        assert 20 < found["mAP"] < 100


def test_row_order_plays_no_part(tiny_case):
    data = load_scoring_data(TEST, [50, 0])
    expected = score_predictions(tiny_case, data)
    order = np.random.default_rng(1).permutation(len(tiny_case.gallery_names))
    starts = np.cumsum(tiny_case.gallery_counts) - tiny_case.gallery_counts
    rows = np.concatenate([np.arange(starts[i], starts[i] + tiny_case.gallery_counts[i]) for i in order])
    shuffled = replace(
        tiny_case,
        gallery_names=tiny_case.gallery_names[order],
        gallery_counts=tiny_case.gallery_counts[order],
        gallery_boxes=tiny_case.gallery_boxes[rows],
        gallery_scores=tiny_case.gallery_scores[rows],
        gallery_embeddings=tiny_case.gallery_embeddings[rows],
        query_names=tiny_case.query_names[::-1],
        query_boxes=tiny_case.query_boxes[::-1],
        query_embeddings=tiny_case.query_embeddings[::-1],
    )
    assert score_predictions(shuffled, data).as_dict() == expected.as_dict()
    assert score_predictions(tiny_case, data, block_size=1).as_dict() == expected.as_dict()


def test_threshold_is_for_both(tiny_case):
    data = load_scoring_data(TEST, [50])
    low, high = (score_predictions(tiny_case, data, score_thresh=t) for t in (0.0, 0.9))
    assert low.detection["recall"] > high.detection["recall"]
    assert low.search["50"]["mAP"] > high.search["50"]["mAP"]


def test_labelled_recall_counts_labelled_people_only(tiny_case):
    data = load_scoring_data(TEST, [50])
    scores = perfect(tiny_case, data)
    # Only people without identity are detected: some recall, none of it labelled.
    pids = np.array([a["person_id"] for r in load_annotations(TEST) for a in r["annotations"]])
    found = score_predictions(replace(scores, gallery_scores=(pids < 0).astype(np.float32)), data).detection
    assert found["recall"] == pytest.approx(100 * np.mean(pids < 0))
    assert found["recall_labelled"] == 0.0


def test_no_detection_gives_zero(tiny_case):
    data = load_scoring_data(TEST, [50, 0])
    scores = score_predictions(without_detections(tiny_case), data).as_dict()
    assert set(scores["detection"].values()) == {0.0}
    assert {value for figures in scores["search"].values() for value in figures.values()} == {0.0}


def test_queries_without_ground_truth_are_counted_and_reported(tiny_case, caplog):
    data = load_scoring_data(TEST, [50])
    protocol = data.protocols["50"]
    keep = protocol.truth_queries != 2
    lacking = replace(protocol, truth_entries=protocol.truth_entries[keep], truth_boxes=protocol.truth_boxes[keep])
    with caplog.at_level(logging.WARNING):
        scores = score_predictions(tiny_case, replace(data, protocols={"50": lacking}))
    assert scores.num_skipped == {"50": 1}
    assert scores.num_queries == {"50": protocol.num_queries - 1}
    assert "1 of 6 queries have no ground truth" in caplog.text


def test_graph_matching_is_reported_apart(tiny_case):
    data = load_scoring_data(TEST, [50])
    plain = score_predictions(tiny_case, data)
    both = score_predictions(tiny_case, data, context=context_of_queries(tiny_case))
    assert both.search == plain.search
    assert "search_cbgm" not in plain.as_dict()
    assert set(both.as_dict()["search_cbgm"]["50"]) == {"mAP", "top1", "top5", "top10"}


def test_context_of_another_evaluation_is_refused(tiny_case):
    data = load_scoring_data(TEST, [50])
    context = context_of_queries(
        replace(tiny_case, query_names=np.append(tiny_case.query_names, "x"), **extra(tiny_case))
    )
    with pytest.raises(ValueError, match="context_counts: expected one per query of the predictions, 6, found 7"):
        score_predictions(tiny_case, data, context=context)


def extra(case):
    return {
        "query_boxes": np.append(case.query_boxes, [[0, 0, 1, 1]], axis=0),
        "query_embeddings": np.append(case.query_embeddings, case.query_embeddings[:1], axis=0),
    }


def test_sizes_are_checked(tiny_datasets):
    with pytest.raises(ValueError, match="gallery sizes: expected at least one"):
        load_scoring_data(TEST, [])
    with pytest.raises(ValueError, match="cross-camera search needs cameras"):
        load_scoring_data(TEST, [50], cross_camera=True)
    with pytest.raises(FileNotFoundError, match=r"TestG4000\.mat is missing"):
        load_scoring_data(TEST, [4000])


def test_protocols_with_other_queries_are_refused(tiny_datasets, monkeypatch):
    from inet_d2.evaluation import scoring

    load = scoring.load_protocol

    def fewer(name, size):
        protocol = load(name, 50)
        boxes = protocol.query_boxes + (size == 100)
        return replace(protocol, query_boxes=boxes)

    monkeypatch.setattr(scoring, "load_protocol", fewer)
    with pytest.raises(ValueError, match=r"expected the same queries in .* found others"):
        load_scoring_data(TEST, [50, 100])


def test_similarities_can_be_weighted_by_the_scores(tiny_case):
    data = load_scoring_data(TEST, [50])
    case = replace(tiny_case, gallery_scores=np.linspace(0.5, 1.0, len(tiny_case.gallery_scores), dtype=np.float32))
    weighted = score_predictions(case, data, confidence_weight=True)
    # What the published code stores: embeddings that are multiplied already.
    products = case.gallery_embeddings * case.gallery_scores[:, None]
    expected = score_predictions(replace(case, gallery_embeddings=products), data)
    assert weighted.search == expected.search
    assert weighted.detection == expected.detection
    assert weighted.search != score_predictions(case, data).search
    # Equal scores change no order.
    equal = replace(case, gallery_scores=np.full_like(case.gallery_scores, 0.5))
    weighted = score_predictions(equal, data, confidence_weight=True)
    assert weighted.as_dict() == score_predictions(equal, data).as_dict()
