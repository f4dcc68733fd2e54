import numpy as np
import pytest
from detectron2.config import get_cfg

from inet_d2.baselines.box_source import annotated_boxes
from inet_d2.baselines.descriptors import Descriptor
from inet_d2.baselines.distances import Cosine, Euclidean
from inet_d2.baselines.two_step import TwoStepSearch, check_training_split
from inet_d2.config import add_inet_config
from inet_d2.data.datasets import load_annotations, load_protocol
from inet_d2.evaluation import load_scoring_data, score_predictions


class Pixels(Descriptor):
    """All pixels of a small crop."""

    def __init__(self):
        super().__init__(size=(8, 4))

    def describe(self, crops):
        return crops.reshape(len(crops), -1).astype(np.float32) / 255


@pytest.fixture
def splits(tiny_datasets):
    return load_annotations("cuhk_sysu_train"), load_annotations("cuhk_sysu_test")


@pytest.fixture
def boxes(splits):
    return annotated_boxes(splits[1], load_protocol("cuhk_sysu_test", 50))


def test_the_result_is_a_file_of_predictions_like_any_other(splits, boxes):
    train, test = splits
    search = TwoStepSearch(descriptor=Pixels(), distance=Cosine(), progress=False)
    search.fit(train)
    found = search.search(boxes, test)
    for field in ("gallery_names", "gallery_counts", "gallery_boxes", "gallery_scores", "query_names", "query_boxes"):
        np.testing.assert_array_equal(getattr(found, field), getattr(boxes, field))
    scores = score_predictions(found, load_scoring_data("cuhk_sysu_test", [50]))
    assert scores.detection["AP"] == pytest.approx(100)
    # Random rows reach less than this.
    assert scores.search["50"]["mAP"] > 30


def test_each_row_is_that_of_its_box(splits, boxes):
    """Boxes in another order of images give the same rows, in that order."""
    from dataclasses import replace

    train, test = splits
    search = TwoStepSearch(descriptor=Pixels(), distance=Euclidean(), progress=False)
    search.fit(train)
    found = search.search(boxes, test)
    starts = np.cumsum(boxes.gallery_counts) - boxes.gallery_counts
    rows = np.concatenate([np.arange(s, s + c) for s, c in zip(starts[::-1], boxes.gallery_counts[::-1], strict=True)])
    turned = replace(
        boxes,
        gallery_names=boxes.gallery_names[::-1],
        gallery_counts=boxes.gallery_counts[::-1],
        gallery_boxes=boxes.gallery_boxes[rows],
        gallery_embeddings=boxes.gallery_embeddings[rows],
    )
    np.testing.assert_allclose(
        search.search(turned, test).gallery_embeddings, found.gallery_embeddings[rows], atol=1e-6
    )


def test_principal_components_keep_the_order(splits, boxes):
    train, test = splits
    full = TwoStepSearch(descriptor=Pixels(), distance=Euclidean(), progress=False)
    few = TwoStepSearch(descriptor=Pixels(), distance=Euclidean(), pca_dim=20, progress=False)
    similarities = []
    for search in (full, few):
        search.fit(train)
        found = search.search(boxes, test)
        similarities.append(found.query_embeddings @ found.gallery_embeddings.T)
    assert found.gallery_embeddings.shape[1] == 21
    agreement = [np.corrcoef(a, b)[0, 1] for a, b in zip(*similarities, strict=True)]
    assert min(agreement) > 0.95


def test_by_configuration(splits, boxes):
    cfg = get_cfg()
    add_inet_config(cfg)
    search = TwoStepSearch(cfg, progress=False)
    assert search.name == "LOMO + XQDA"
    search.fit(splits[0])
    scores = score_predictions(search.search(boxes, splits[1]), load_scoring_data("cuhk_sysu_test", [50]))
    assert scores.search["50"]["mAP"] > 50


def test_images_of_another_data_set(splits, boxes):
    search = TwoStepSearch(descriptor=Pixels(), distance=Cosine(), progress=False)
    with pytest.raises(ValueError, match="gallery_names: expected images of the test split, found "):
        search.search(boxes, splits[1][1:])


def test_nobody_to_learn_from(splits):
    strangers = [{**record, "annotations": []} for record in splits[0]]
    with pytest.raises(ValueError, match="expected labelled people with boxes, found none in 12 images"):
        TwoStepSearch(descriptor=Pixels(), distance=Cosine(), progress=False).fit(strangers)


def test_test_people_teach_nothing(splits):
    train, test = splits
    check_training_split("cuhk_sysu_train", train, "cuhk_sysu_test", test)
    with pytest.raises(ValueError, match="expected another split than cuhk_sysu_test"):
        check_training_split("cuhk_sysu_test", test, "cuhk_sysu_test", test)
    with pytest.raises(ValueError, match="copy: expected no image of cuhk_sysu_test, found 1, first "):
        check_training_split("copy", [*train, test[3]], "cuhk_sysu_test", test)
    renamed = [{**test[3], "file_name": "/elsewhere/x.jpg"}]
    with pytest.raises(ValueError, match=r"first /elsewhere/x\.jpg"):
        check_training_split("copy", renamed, "cuhk_sysu_test", test)
