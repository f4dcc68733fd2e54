import numpy as np

from inet_d2.baselines.box_source import above, annotated_boxes
from inet_d2.data.datasets import load_annotations, load_protocol
from inet_d2.evaluation import SearchPredictions


def test_annotated_boxes_are_the_annotations(tiny_datasets):
    records, protocol = load_annotations("cuhk_sysu_test"), load_protocol("cuhk_sysu_test", 50)
    found = annotated_boxes(records, protocol)
    assert found.gallery_counts.tolist() == [len(r["annotations"]) for r in records]
    np.testing.assert_allclose(
        found.gallery_boxes[: found.gallery_counts[0]], [a["bbox"] for a in records[0]["annotations"]]
    )
    assert (found.gallery_scores == 1).all()
    assert found.gallery_embeddings.shape == (len(found.gallery_boxes), 0)
    np.testing.assert_array_equal(found.query_names, protocol.query_names)


def test_detections_below_the_threshold_are_left_out():
    case = SearchPredictions(
        gallery_names=np.array(["a", "b", "c"]),
        gallery_counts=[2, 0, 2],
        gallery_boxes=np.arange(16).reshape(4, 4),
        gallery_scores=[0.5, 0.2, 0.4, 0.9],
        gallery_embeddings=np.arange(4)[:, None],
        query_names=np.array(["a"]),
        query_boxes=[[0, 0, 1, 1]],
        query_embeddings=[[1]],
    )
    found = above(case, 0.5)
    assert found.gallery_counts.tolist() == [1, 0, 1]
    assert found.gallery_embeddings.tolist() == [[0], [3]]
    np.testing.assert_array_equal(found.gallery_boxes, case.gallery_boxes[[0, 3]])
    np.testing.assert_array_equal(found.gallery_scores, case.gallery_scores[[0, 3]])
    assert found.gallery_names.tolist() == ["a", "b", "c"]
