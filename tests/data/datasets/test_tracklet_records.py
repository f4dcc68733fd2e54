import pytest
from detectron2.data import DatasetCatalog, MetadataCatalog

from inet_d2.data.datasets.tracklet_records import load_tracklets, load_training_tracklets


def tracklet(pid, **other):
    return {"file_names": ["a.jpg"], "image_id": f"t{pid}", "person_id": pid, "camera_id": 1, **other}


@pytest.fixture
def register():
    names = []

    def one(name, records):
        DatasetCatalog.register(name, lambda: records)
        MetadataCatalog.get(name).set(items="tracklets", evaluator_type="person_reid")
        names.append(name)

    yield one
    for name in names:
        DatasetCatalog.remove(name)
        MetadataCatalog.remove(name)


def test_identities_of_two_sets_come_one_after_the_other(register):
    register("first", [tracklet(1), tracklet(0), tracklet(-1)])
    register("second", [tracklet(0), tracklet(0)])
    records = load_training_tracklets(("first", "second"), 3)
    assert [record["person_id"] for record in records] == [1, 0, 2, 2]
    with pytest.raises(ValueError, match=r"NUM_PIDS is 4, but first \+ second has 3 identities"):
        load_training_tracklets(("first", "second"), 4)
    with pytest.raises(ValueError, match="names of different data sets"):
        load_training_tracklets(("first", "first"), 4)


def test_gaps_are_refused(register):
    register("gaps", [tracklet(0), tracklet(2)])
    with pytest.raises(ValueError, match="gaps: expected identities numbered 0 to 1, found 2"):
        load_training_tracklets(("gaps",), 2)


@pytest.mark.parametrize(
    ("fault", "problem"),
    [
        ({"file_names": []}, "file_names: expected at least one path"),
        ({"file_names": [3]}, "file_names: expected at least one path"),
        ({"image_id": None}, "image_id: expected text or a whole number"),
        ({"camera_id": "left"}, "camera_id: expected a whole number of at least 0, found 'left'"),
        ({"person_id": -2}, "person_id: expected a whole number of at least -1, found -2"),
    ],
)
def test_what_is_no_tracklet_is_named(register, fault, problem):
    register("bad", [tracklet(0), tracklet(0, **fault)])
    with pytest.raises(ValueError, match=f"bad: record 1 .*{problem}"):
        load_tracklets("bad")


def test_images_are_no_tracklets():
    with pytest.raises(ValueError, match=r"prw_train: expected a data set of tracklets, one of .*mars_train"):
        load_tracklets("prw_train")
