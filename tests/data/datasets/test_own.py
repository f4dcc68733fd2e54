import json

import pytest
from detectron2.data import DatasetCatalog, MetadataCatalog

from inet_d2.data.datasets import load_annotations, load_protocol, register_own_datasets, register_person_json


@pytest.fixture(autouse=True)
def forgotten():
    """Names that a test registers go when it ends."""
    before = set(DatasetCatalog.list())
    yield
    for name in set(DatasetCatalog.list()) - before:
        DatasetCatalog.remove(name)
        MetadataCatalog.remove(name)


@pytest.fixture
def people(tmp_path):
    images = [{"id": k, "file_name": f"{k}.jpg", "width": 64, "height": 48} for k in range(5)]
    rows = [{"image_id": k, "category_id": 1, "bbox": [1, 2, 10, 20], "person_id": k // 3} for k in range(5)]
    (tmp_path / "p.json").write_text(json.dumps({"images": images, "annotations": rows}))
    return str(tmp_path / "p.json")


def test_one_line_of_python(people, tmp_path):
    register_person_json("mine", people, tmp_path, queries_per_person=2)
    assert len(DatasetCatalog.get("mine")) == len(load_annotations("mine")) == 5
    assert MetadataCatalog.get("mine").thing_classes == ["person"]
    protocol = load_protocol("mine", 0)
    assert (protocol.num_queries, np_counts(protocol)) == (4, [4, 4, 4, 4])
    register_person_json("mine", people, tmp_path, queries_per_person=2)  # the same again
    with pytest.raises(ValueError, match="mine: expected a name that no other data set has"):
        register_person_json("mine", people, tmp_path)
    with pytest.raises(ValueError, match="cuhk_sysu_test: expected a name"):
        register_person_json("cuhk_sysu_test", people, tmp_path)


def np_counts(protocol):
    return (protocol.entry_offsets[1:] - protocol.entry_offsets[:-1]).tolist()


def test_one_line_of_yaml(people, tmp_path):
    register_own_datasets({"mine": {"JSON": people, "IMAGES": str(tmp_path), "SEED": 4, "TIME_GAP": 0}})
    assert load_protocol("mine", 2).num_queries == 2


def test_nothing_is_read_before_it_is_asked_for():
    register_person_json("absent", "no.json", "nowhere")
    with pytest.raises(FileNotFoundError, match=r"no\.json is missing"):
        load_annotations("absent")


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({}, "mine: expected JSON and IMAGES, or MOT, found nothing"),
        (3, "mine: expected JSON and IMAGES, or MOT, found 3"),
        ({"JSON": "a", "MOT": ["b"]}, "expected JSON and IMAGES, or MOT, found JSON, MOT"),
        ({"JSON": "a"}, "expected JSON, IMAGES, and PROTOCOL or SEED, .* found JSON;"),
        ({"JSON": "a", "IMAGES": "b", "SEEDS": 1}, "found JSON, IMAGES, SEEDS;"),
        ({"JSON": "a", "IMAGES": "b", "EVERY": 2}, "found JSON, IMAGES, EVERY;"),
        ({"JSON": "a", "IMAGES": 3}, r"expected paths, found \['a', 3\]"),
        ({"MOT": "folder"}, "MOT: expected a list of folders, found 'folder'"),
        ({"MOT": [""]}, "expected paths"),
        ({"JSON": "a", "IMAGES": "b", "SEED": -1}, "mine: seed: expected a whole number of at least 0, found -1"),
        ({"MOT": ["a"], "EVERY": 0}, "mine: every: expected a whole number of at least 1, found 0"),
    ],
)
def test_entries_that_do_not_fit(entry, message):
    with pytest.raises(ValueError, match=message):
        register_own_datasets({"mine": entry})
    assert "mine" not in DatasetCatalog.list()


def test_an_option_that_does_not_exist():
    with pytest.raises(ValueError, match=r"mine: expected seed, queries_per_person, .* found sed"):
        register_person_json("mine", "a", "b", sed=3)
