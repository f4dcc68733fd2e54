import numpy as np
import pytest

from inet_d2.data.datasets.reid_split import ReidSplit
from inet_d2.evaluation.reid_metric import rank_crops, reid_figures
from inet_d2.evaluation.reid_scoring import ReidOptions, score_reid, score_split
from inet_d2.evaluation.reranking import k_reciprocal_distances


@pytest.fixture
def case():
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(5, 8))
    pids, cameras = np.repeat(np.arange(5), 6), np.tile([1, 1, 2, 2, 3, 3], 5)
    rows = centres[pids] + 0.7 * rng.normal(size=(30, 8))
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    first = np.arange(0, 30, 6)
    people = {
        "query_pids": pids[first],
        "query_cameras": cameras[first],
        "gallery_pids": pids,
        "gallery_cameras": cameras,
    }
    return rows[first], rows, people


def test_figures_are_those_of_the_metric_in_any_blocks(case, monkeypatch):
    queries, gallery, people = case
    expected = reid_figures(*rank_crops(-(queries @ gallery.T), **people))
    assert 0 < expected["mAP"] < 100
    assert score_reid(queries, gallery, people, ReidOptions()) == {"reid": expected}
    monkeypatch.setattr("inet_d2.evaluation.reid_scoring._CELLS_AT_ONCE", 70)  # two queries at once
    assert score_reid(queries, gallery, people, ReidOptions()) == {"reid": expected}


def test_more_figures_where_asked_for(case):
    plain = score_reid(*case, ReidOptions())["reid"]
    found = score_reid(*case, ReidOptions(ap="trapezoid", rerank=True, k1=5, k2=2, single_shot=True))
    assert found["reid"]["mAP"] < plain["mAP"]
    assert found["reid"]["top1"] == plain["top1"]
    distances = k_reciprocal_distances(*case[:2], k1=5, k2=2)
    assert found["reid_reranked"] == reid_figures(*rank_crops(distances, **case[2], ap="trapezoid"))
    assert set(found["reid_single_shot"]) == {"top1", "top5", "top10", "top20"}
    with pytest.raises(ValueError, match="ap: expected one of"):
        ReidOptions(ap="mean")


def test_queries_in_the_gallery_count_in_the_official_evaluation_alone(case):
    queries, gallery, people = case
    is_query = np.zeros(30, dtype=bool)
    is_query[::6] = True
    split = ReidSplit("mars", [], [], *people.values(), is_query)
    found = score_split(queries, gallery, split, ReidOptions())
    without = {**people, "gallery_pids": people["gallery_pids"][~is_query]}
    without["gallery_cameras"] = people["gallery_cameras"][~is_query]
    assert found["reid"] == score_reid(queries, gallery[~is_query], without, ReidOptions())["reid"]
    assert found["reid_official"] == score_reid(queries, gallery, people, ReidOptions(ap="trapezoid"))["reid"]
    split = ReidSplit("other", [], [], *people.values(), ~np.ones(30, dtype=bool))
    assert set(score_split(queries, gallery, split, ReidOptions())) == {"reid"}


def test_a_match_that_is_a_query_itself():
    # Cameras 1 and 2 saw person 0, and both tracklets are queries: without these in the gallery nobody is left.
    rows = np.eye(2, dtype=np.float32)
    pids, cameras = np.array([0, 0]), np.array([1, 2])
    split = ReidSplit("mars", [], [], pids, cameras, pids, cameras, np.array([True, True]))
    found = score_split(rows, rows, split, ReidOptions())
    assert (found["reid"]["queries"], found["reid"]["skipped"]) == (0, 2)
    assert (found["reid_official"]["queries"], found["reid_official"]["mAP"]) == (2, 100)
