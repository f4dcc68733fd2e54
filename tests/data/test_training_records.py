"""Who the training people are: counted, and told apart from others, before anything is built."""

import pytest
from detectron2.data import DatasetCatalog, MetadataCatalog

from inet_d2.data.training_records import load_training_records, training_identities, with_counted_pids

FIRST, SECOND, UNKNOWN = ([1, 1, 9, 9], 0), ([5, 5, 9, 20], 1), ([3, 3, 9, 9], -1)


@pytest.fixture
def register(make_record):
    """register(name, {image: people}) in place of what had the name."""
    names = set()

    def make(name, images):
        if name in names:
            DatasetCatalog.remove(name)
        records = [make_record(image, people) for image, people in images.items()]
        DatasetCatalog.register(name, lambda: records)
        names.add(name)
        return records

    yield make
    for name in names:
        DatasetCatalog.remove(name)
        MetadataCatalog.pop(name, None)


def test_who_they_are_does_not_depend_on_order_place_or_the_unlabelled(register):
    register("one_train", {"a.png": [FIRST, SECOND], "b.png": [SECOND]})
    expected = training_identities(["one_train"])
    assert expected.count == 2
    assert len(expected.fingerprint) == 64
    for record in register("one_train", {"b.png": [SECOND, UNKNOWN], "a.png": [SECOND, FIRST], "c.png": []}):
        record["file_name"] = "/elsewhere/" + record["image_id"]
    assert training_identities(["one_train"]) == expected


@pytest.mark.parametrize(
    "images",
    [
        {"a.png": [FIRST, SECOND], "b.png": [FIRST]},  # another person
        {"a.png": [FIRST, SECOND], "c.png": [SECOND]},  # another image
        {"a.png": [FIRST, SECOND], "b.png": [([5, 5, 9, 22], 1)]},  # another box
        {"a.png": [FIRST, SECOND], "b.png": [SECOND, FIRST]},  # one more
    ],
)
def test_other_people_have_another_fingerprint(register, images):
    register("one_train", {"a.png": [FIRST, SECOND], "b.png": [SECOND]})
    register("other_train", images)
    one, other = (training_identities([f"{name}_train"]) for name in ("one", "other"))
    assert (one.count, other.count) == (2, 2)
    assert one.fingerprint != other.fingerprint


def test_several_sets_are_counted_one_after_the_other(register):
    register("one_train", {"a.png": [FIRST, SECOND]})
    register("other_train", {"b.png": [FIRST]})
    found = [training_identities(names) for names in (["one_train", "other_train"], ["other_train", "one_train"])]
    assert [x.count for x in found] == [3, 3]
    assert found[0].fingerprint != found[1].fingerprint  # the numbers are others


def test_nobody_has_no_fingerprint(register):
    register("one_train", {"a.png": [UNKNOWN]})
    for names in ([], ["one_train"]):
        found = training_identities(names)
        assert (found.count, found.fingerprint) == (0, "")


def test_zero_is_counted_and_other_numbers_stay(register, cfg):
    register("one_train", {"a.png": [FIRST, SECOND]})
    cfg.DATASETS.TRAIN = ("one_train",)
    cfg.MODEL.ROI_REID_HEAD.NUM_PIDS = 0
    cfg.freeze()
    counted = with_counted_pids(cfg)
    assert counted.MODEL.ROI_REID_HEAD.NUM_PIDS == 2
    assert counted.is_frozen()
    assert cfg.MODEL.ROI_REID_HEAD.NUM_PIDS == 0
    assert with_counted_pids(counted) is counted
    assert len(load_training_records(["one_train"], 0)) == 1
    with pytest.raises(ValueError, match=r"NUM_PIDS is 3, but one_train has 2 .* or to 0 to have them counted"):
        load_training_records(["one_train"], 3)
