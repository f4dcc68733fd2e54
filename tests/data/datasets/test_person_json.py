import json

import pytest
from PIL import Image

from inet_d2.data.datasets import load_person_json


def image(number, name, **more):
    return {"id": number, "file_name": name, "width": 64, "height": 48, **more}


def person(image_id, box, **more):
    return {"image_id": image_id, "category_id": 1, "bbox": box, **more}


@pytest.fixture
def content():
    return {
        "images": [image(7, "b.jpg", camera_id=2, frame=5), image(3, "sub/a.jpg", camera_id=None)],
        "annotations": [
            person(3, [1, 2, 10, 20], person_id=40),
            person(7, [5.5, 2, 10, 20.25], person_id=9),
            person(3, [2, 2, 10, 20], person_id=9, iscrowd=1),
            person(3, [3, 2, 0, 20], person_id=9),
            person(7, [4, 2, 10, 20], person_id=-2),
            person(7, [6, 2, 10, 20]),
        ],
    }


@pytest.fixture
def read(tmp_path):
    def load(content, **options):
        (tmp_path / "p.json").write_text(content if isinstance(content, str) else json.dumps(content))
        return load_person_json(tmp_path / "p.json", tmp_path / "frames", **options)

    return load


def test_records(read, content, tmp_path):
    first, second = read(content, image_sizes=False)
    assert first["file_name"] == str(tmp_path / "frames" / "b.jpg")
    assert (first["image_id"], first["camera_id"], first["frame"]) == ("b.jpg", 2, 5)
    assert (first["width"], first["height"]) == (64, 48)
    assert "camera_id" not in second
    # Ids 9 and 40 become 0 and 1; below zero and without is unknown.
    assert [a["person_id"] for a in first["annotations"]] == [0, -1, -1]
    assert first["annotations"][0]["bbox"] == [5.5, 2, 15.5, 22.25]
    # The box without width is left out, and the crowd stays one.
    assert [(a["person_id"], a["iscrowd"]) for a in second["annotations"]] == [(1, 0), (0, 1)]


def test_people_with_names(read, content):
    for annotation, name in zip(content["annotations"], ["Zoe", "Ada", "Zoe", None, None, None], strict=True):
        annotation["person_id"] = name
    assert [[a["person_id"] for a in r["annotations"]] for r in read(content)[:1]] == [[0, -1, -1]]


def test_sizes_that_the_file_lacks_are_read(read, content, tmp_path):
    del content["images"][1]["width"]
    assert "width" not in read(content, image_sizes=False)[1]
    with pytest.raises(FileNotFoundError, match=r"p\.json: expected 1 readable frames"):
        read(content)
    (tmp_path / "frames" / "sub").mkdir(parents=True)
    Image.new("RGB", (123, 45)).save(tmp_path / "frames" / "sub" / "a.jpg")
    assert [(r["width"], r["height"]) for r in read(content)] == [(64, 48), (123, 45)]


def test_only_people_count(read, content):
    content["categories"] = [{"id": 4, "name": "dog"}, {"id": 1, "name": "person"}]
    content["annotations"][1]["category_id"] = 4
    assert [len(r["annotations"]) for r in read(content)] == [2, 2]
    content["categories"] = [{"id": 9, "name": "pedestrian"}]
    assert [len(r["annotations"]) for r in read(content)] == [3, 2]


def changed(path, value):
    def change(content):
        *inner, last = path
        for key in inner:
            content = content[key]
        content[last] = value

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (changed(["images"], []), "images: expected a list of objects, found nothing"),
        (changed(["annotations"], {"a": 1}), "annotations: expected a list of objects, found a dict"),
        (changed(["images", 1, "id"], None), r"images\[1\]: expected id and file_name"),
        (
            changed(["images", 1, "id"], 7),
            r"images\[1\]: expected every id and file_name once, found 7, sub/a.jpg again",
        ),
        (changed(["images", 1, "file_name"], "b.jpg"), r"images\[1\]: expected every id and file_name once"),
        (changed(["images", 1, "camera_id"], "left"), r"images\[1\]: camera_id: expected a whole number, found 'left'"),
        (changed(["images", 0, "sequence"], 3), r"images\[0\]: sequence: expected a name, found 3"),
        (changed(["annotations", 2, "image_id"], 8), "image_id: expected the id of an image, found 8"),
        (
            changed(["annotations", 2, "bbox"], [1, 2, 3]),
            r"annotations\[2\]: bbox: expected x, y, width, height, found",
        ),
        (changed(["annotations", 2, "bbox"], [1, 2, "3", 4]), r"annotations\[2\]: bbox"),
        (changed(["annotations", 0, "person_id"], "Ada"), "person_id: .* found int and str; use one kind"),
        (changed(["annotations", 0, "person_id"], 1.5), "person_id: .* found float and int"),
    ],
)
def test_files_of_another_structure(read, content, change, message):
    change(content)
    with pytest.raises(ValueError, match=r"p\.json: .*" + message):
        read(content)


def test_boxes_that_are_not_finite(read, content):
    content["annotations"][0]["bbox"][2] = float("nan")
    with pytest.raises(ValueError, match=r"annotations\[0\]: bbox: expected x, y, width, height"):
        read(content)


def test_nobody_is_known(read, content):
    for annotation in content["annotations"]:
        annotation.pop("person_id", None)
    with pytest.raises(ValueError, match="person_id: expected somebody of known identity, found nobody"):
        read(content)


def test_files_that_are_no_json(read, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"q\.json is missing"):
        load_person_json(tmp_path / "q.json", tmp_path)
    with pytest.raises(ValueError, match=r"p\.json: expected JSON in UTF-8"):
        read("{")
    with pytest.raises(ValueError, match=r"p\.json: expected an object with images and annotations, found a list"):
        read("[1]")
