import numpy as np
import pytest
from detectron2.structures import BoxMode

from inet_d2.data.records import annotation_boxes, image_name, people_of, person_id, person_records, records_by_name

PERSON = {"bbox": [1.0, 2.0, 11.0, 22.0], "bbox_mode": BoxMode.XYXY_ABS, "category_id": 0, "person_id": 3}


def record(*annotations, **changes):
    return {"file_name": "a.jpg", "image_id": "a", "annotations": list(annotations), **changes}


def test_every_way_to_say_the_same_becomes_one():
    xywh = {**PERSON, "bbox": (1, 2, 10, 20), "bbox_mode": BoxMode.XYWH_ABS, "iscrowd": 0}
    unknown = {key: value for key, value in PERSON.items() if key != "person_id"}
    crowd = {**PERSON, "iscrowd": 1}
    given = record(PERSON, xywh, crowd, {**unknown, "bbox_mode": 0})
    (found,) = person_records([given], "mine")
    assert [a["bbox"] for a in found["annotations"]] == [[1.0, 2.0, 11.0, 22.0]] * 3
    assert {a["bbox_mode"] for a in found["annotations"]} == {BoxMode.XYXY_ABS}
    assert [a["person_id"] for a in found["annotations"]] == [3, 3, -1]
    assert len(given["annotations"]) == 4
    assert person_records([record()], "mine")[0]["annotations"] == []
    without = {"file_name": "b.jpg", "image_id": 7}
    assert person_records([without], "mine") == [{**without, "annotations": []}]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"bbox_mode": None}, "bbox_mode: expected XYXY_ABS or XYWH_ABS, found None"),
        ({"bbox_mode": BoxMode.XYWHA_ABS}, "bbox_mode: expected XYXY_ABS or XYWH_ABS, found <BoxMode.XYWHA_ABS"),
        ({"category_id": 1}, "category_id: expected 0, a person, found 1"),
        ({"bbox": [1, 2, 3]}, r"bbox: expected four finite numbers, found \[1, 2, 3\]"),
        ({"bbox": [1, 2, 3, float("nan")]}, "bbox: expected four finite numbers, found .*nan"),
        ({"person_id": -2}, "person_id: expected 0 or more, or -1 for unknown, found -2"),
        ({"person_id": 1.5}, "person_id: expected 0 or more, or -1 for unknown, found 1.5"),
        ({"person_id": "p1"}, "person_id: expected 0 or more, or -1 for unknown, found 'p1'"),
    ],
)
def test_annotations_that_are_none(changes, message):
    records = [record(), record(PERSON, {**PERSON, **changes}, file_name="b.jpg")]
    with pytest.raises(ValueError, match=rf"mine: record 1 \(b\.jpg\): {message}.*; correct the data set"):
        person_records(records, "mine")


@pytest.mark.parametrize("field", ["bbox", "bbox_mode", "category_id"])
def test_a_field_that_annotations_need(field):
    lacking = {key: value for key, value in PERSON.items() if key != field}
    with pytest.raises(ValueError, match=f"annotation: expected bbox, bbox_mode and category_id, found no {field};"):
        person_records([record(lacking)], "mine")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"image_id": None}, "image_id: expected text or a whole number, found None"),
        ({"image_id": 1.5}, "image_id: expected text or a whole number, found 1.5"),
        ({"file_name": None}, "file_name: expected a path, found None"),
        ({"width": 0, "height": 4}, "width: expected pixels, a whole number, found 0"),
        ({"width": 5, "height": "4"}, "height: expected pixels, a whole number, found '4'"),
    ],
)
def test_images_that_are_none(changes, message):
    with pytest.raises(ValueError, match=f"mine: record 0 .*: {message}; correct"):
        person_records([record(**changes)], "mine")


def test_sizes_are_asked_for_where_they_are_needed():
    person_records([record(width=5)], "mine")
    with pytest.raises(ValueError, match="height: expected pixels, a whole number, found None"):
        person_records([record(width=5)], "mine", with_sizes=True)
    person_records([record(width=np.int64(5), height=4)], "mine", with_sizes=True)


def test_what_is_no_dictionary():
    with pytest.raises(ValueError, match=r"mine: record 0 \(no record\): expected a dictionary, found str"):
        person_records(["a.jpg"], "mine")


def test_names_are_text_and_no_image_is_there_twice():
    assert image_name({"image_id": 7}) == image_name({"image_id": "7"}) == "7"
    assert list(records_by_name([record(image_id=2), record(image_id="b")])) == ["2", "b"]
    with pytest.raises(ValueError, match="image_id: expected every image once, found 7 in two records"):
        records_by_name([record(image_id=7), record(image_id="7")])


def test_people():
    crowd = {**PERSON, "iscrowd": True}
    assert people_of(record(PERSON, crowd)) == [PERSON]
    assert people_of({"image_id": 1}) == []
    assert person_id(PERSON) == 3
    assert person_id({}) == -1


def test_annotation_boxes_convert_other_modes():
    annotations = [
        {"bbox": [10, 20, 5, 6], "bbox_mode": BoxMode.XYWH_ABS},
        {"bbox": [1, 2, 3, 4], "bbox_mode": BoxMode.XYXY_ABS},
    ]
    boxes = annotation_boxes(annotations)
    assert boxes.dtype == np.float64
    assert boxes.tolist() == [[10.0, 20.0, 15.0, 26.0], [1.0, 2.0, 3.0, 4.0]]
    assert annotation_boxes([]).shape == (0, 4)
