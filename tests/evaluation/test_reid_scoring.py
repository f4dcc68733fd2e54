import numpy as np
import pytest

from inet_d2.evaluation.reid_metric import rank_crops, reid_figures
from inet_d2.evaluation.reid_scoring import ReidOptions, score_reid
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
