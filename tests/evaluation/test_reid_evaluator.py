import logging

import numpy as np
import pytest
import torch
from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.structures import Instances

from crop_copies import write_market
from inet_d2.data.datasets.reid_split import load_reid_split
from inet_d2.engine import load_config
from inet_d2.evaluation import PersonReIDEvaluator
from inet_d2.evaluation.reid_scoring import ReidOptions, score_reid
from places import config_path


@pytest.fixture(autouse=True)
def market(tmp_path, monkeypatch):
    monkeypatch.setenv("DETECTRON2_DATASETS", str(tmp_path))
    return write_market(tmp_path)


def embeddings():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(22, 4)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def as_output(row, kind):
    row = torch.from_numpy(row)
    if kind == "embedding":
        return {"embedding": row}
    instances = Instances((16, 8))
    instances.pred_embeddings = row[None]
    return {"instances": instances}


@pytest.mark.parametrize("kind", ["embedding", "instances"])
def test_rows_may_come_in_any_order(kind, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    rows, options = embeddings(), ReidOptions(rerank=True)
    evaluator = PersonReIDEvaluator("market1501_query", options=options, output_dir=str(tmp_path / "out"))
    for row in np.random.default_rng(1).permutation(22).tolist():
        evaluator.process([{"reid_row": row, "image_id": "x"}], [as_output(rows[row], kind)])
    split = load_reid_split("market1501_query")
    expected = score_reid(rows[:5], rows[5:], split.people(), options)
    assert evaluator.evaluate() == expected
    assert "market1501_query: 5 queries, 0 skipped without a match, gallery of 17" in caplog.text
    with np.load(tmp_path / "out" / "embeddings.npz") as saved:
        people = {name: saved[name] for name in split.people()}
        assert score_reid(saved["query_embeddings"], saved["gallery_embeddings"], people, options) == expected
        assert saved["query_names"][0] == "query/0101_c1s1_0.png"


def test_what_is_missing_is_named():
    evaluator = PersonReIDEvaluator(load_config(config_path("Market-1501/crops_vgg16.yaml")), "market1501_query")
    with pytest.raises(ValueError, match=r"output of a.jpg: expected embedding, or instances"):
        evaluator.process([{"reid_row": 0, "image_id": "a.jpg"}], [{"instances": Instances((4, 4))}])
    evaluator.process([{"reid_row": 0, "image_id": "a.jpg"}], [{"embedding": torch.zeros(2)}])
    with pytest.raises(ValueError, match=r"embeddings of 22 queries and gallery rows, found none for 21, first row 1"):
        evaluator.evaluate()
    with pytest.raises(
        ValueError, match=r"market1501_train: expected queries with a gallery, one of .*market1501_query"
    ):
        load_reid_split("market1501_train")


@pytest.fixture
def own_split():
    """Registers queries and a gallery of one's own."""
    names = []

    def register(queries):
        crop = {"file_name": "a.jpg", "image_id": "a", "width": 4, "height": 8}
        person = {"bbox": [0, 0, 4, 8], "bbox_mode": 0, "category_id": 0}
        for name, pids in (("own_query", queries), ("own_gallery", [0])):
            records = [
                {**crop, **extra, "annotations": [{**person, "person_id": pid}]}
                for pid, extra in zip(pids, [{"camera_id": 1}, {}], strict=False)
            ]
            DatasetCatalog.register(name, lambda records=records: records)
            MetadataCatalog.get(name).set(evaluator_type="person_reid")
            names.append(name)
        MetadataCatalog.get("own_query").set(gallery="own_gallery")

    yield register
    for name in names:
        DatasetCatalog.remove(name)
        MetadataCatalog.remove(name)


@pytest.mark.parametrize(
    ("pids", "problem"), [([-1], "queries of known identity"), ([0, 0], "expected camera_id and one annotation")]
)
def test_records_of_ones_own_are_checked(own_split, pids, problem):
    own_split(pids)
    with pytest.raises(ValueError, match=problem):
        load_reid_split("own_query")
