import cv2
import numpy as np
import pytest

SMALL = (np.uint8, np.uint16)


def scenes_of(mats):
    """Person's name -> frames and boxes, from Person.mat."""
    return {
        str(record["idname"][0]): [(str(s["imname"][0]), s["idlocate"].ravel()) for s in record["scene"].ravel()]
        for record in mats["Person"].ravel()
    }


def test_files_are_where_the_real_ones_are(scenes_root):
    names = {str(p.relative_to(scenes_root)) for p in scenes_root.rglob("*.mat")}
    assert names == {
        "annotation/Images.mat",
        "annotation/Person.mat",
        "annotation/pool.mat",
        "annotation/test/train_test/Train.mat",
        "annotation/test/train_test/TestG50.mat",
        "annotation/test/train_test/TestG100.mat",
    }
    frames = {p.name for p in (scenes_root / "Image" / "SSM").iterdir()}
    assert frames == {f"s{k}.jpg" for k in range(1, 23)}  # tiny: 12 + 10 frames


def test_images_have_the_real_structure(scenes_mats):
    images = scenes_mats["Img"]
    assert images.shape == (1, 22)
    assert images.dtype.names == ("imname", "nAppear", "box")
    for record in images.ravel():
        assert record["imname"].shape == (1,)
        assert record["box"].shape == (1, int(record["nAppear"][0, 0]))
        assert record["box"].dtype.names == ("idlocate", "ishard")
        for box in record["box"].ravel():
            assert box["idlocate"].shape == (1, 4)
            assert box["idlocate"].dtype in SMALL
            assert box["ishard"].shape == (1, 1)
            assert box["ishard"].dtype == np.uint8


def test_train_is_a_column_of_single_structs(scenes_mats):
    train = scenes_mats["Train"]
    assert train.shape == (8, 1)
    assert train.dtype == object
    for cell in train.ravel():
        assert cell.shape == (1, 1)
        record = cell[0, 0]
        assert cell.dtype.names == ("idname", "nAppear", "scene")
        assert record["scene"].dtype.names == ("imname", "idlocate", "ishard")
        assert record["scene"].shape == (1, int(record["nAppear"][0, 0]))
        assert record["scene"].shape[1] >= 2


def test_pool_is_a_column_of_names(scenes_mats):
    pool = scenes_mats["pool"]
    assert pool.shape == (10, 1)
    assert all(cell.shape == (1,) and str(cell[0]).endswith(".jpg") for cell in pool.ravel())


@pytest.mark.parametrize("size", [50, 100])
def test_protocol_has_the_real_structure(scenes_mats, size):
    tests = scenes_mats[f"TestG{size}"]
    assert tests.shape == (1, 6)
    assert tests.dtype.names == ("Query", "Gallery")
    for record in tests.ravel():
        query, gallery = record["Query"], record["Gallery"]
        assert query.shape == (1, 1)
        assert query.dtype.names == ("imname", "idlocate", "ishard", "idname")
        assert query[0, 0]["idlocate"].shape == (1, 4)
        assert query[0, 0]["idlocate"].dtype in SMALL
        assert gallery.dtype.names == ("imname", "idlocate", "ishard")
        # 10 test frames less the query's own: the file holds what there is.
        assert gallery.shape == (1, 9)


def test_positives_are_a_prefix_and_the_rest_is_empty(scenes_mats):
    for record in scenes_mats["TestG50"].ravel():
        sizes = [entry["idlocate"].size for entry in record["Gallery"].ravel()]
        positives = sizes.index(0)
        assert positives >= 1
        assert sizes[:positives] == [4] * positives
        for entry in record["Gallery"].ravel()[positives:]:
            assert entry["idlocate"].shape == (1, 0)
            assert entry["ishard"].shape == (1, 0)


def test_galleries_name_test_frames_once_and_never_the_query(scenes_mats):
    pool = {str(cell[0]) for cell in scenes_mats["pool"].ravel()}
    for record in scenes_mats["TestG50"].ravel():
        names = [str(entry["imname"][0]) for entry in record["Gallery"].ravel()]
        query = str(record["Query"][0, 0]["imname"][0])
        assert len(set(names)) == len(names)
        assert query not in names
        assert {*names, query} <= pool


def test_positives_are_all_other_frames_of_the_person(scenes_mats):
    people = scenes_of(scenes_mats)
    for record in scenes_mats["TestG50"].ravel():
        query = record["Query"][0, 0]
        entries = [query, *(entry for entry in record["Gallery"].ravel() if entry["idlocate"].size)]
        found = {(str(entry["imname"][0]), *entry["idlocate"].ravel().tolist()) for entry in entries}
        assert found == {(name, *box.tolist()) for name, box in people[str(query["idname"][0])]}


def test_all_protocols_share_their_queries(scenes_mats):
    def queries(size):
        records = [record["Query"][0, 0] for record in scenes_mats[f"TestG{size}"].ravel()]
        return [(str(r["imname"][0]), *r["idlocate"].ravel().tolist(), str(r["idname"][0])) for r in records]

    assert queries(50) == queries(100)
    assert len(set(queries(50))) == 6


def test_boxes_are_inside_their_frames(scenes_root, scenes_boxes):
    for name, boxes in scenes_boxes.items():
        height, width = cv2.imread(str(scenes_root / "Image" / "SSM" / name)).shape[:2]
        assert (height, width) == (120, 160)
        assert (boxes[:, :2] >= 0).all()
        assert (boxes[:, 2:] > 1).all()
        assert (boxes[:, :2] + boxes[:, 2:] <= (width, height)).all()


def test_every_labelled_box_is_an_annotated_box(scenes_mats, scenes_boxes):
    labelled = [row for rows in scenes_of(scenes_mats).values() for row in rows]
    assert len(labelled) == len({(name, *box.tolist()) for name, box in labelled})
    for name, box in labelled:
        assert (scenes_boxes[name] == box).all(axis=1).sum() == 1


def test_labelled_people_recur_in_one_split_only(scenes_mats):
    pool = {str(cell[0]) for cell in scenes_mats["pool"].ravel()}
    train = {str(cell[0, 0]["idname"][0]) for cell in scenes_mats["Train"].ravel()}
    test = {str(record["Query"][0, 0]["idname"][0]) for record in scenes_mats["TestG50"].ravel()}
    people = scenes_of(scenes_mats)
    assert not train & test
    assert train | test == set(people)
    for name, rows in people.items():
        frames = [frame for frame, _ in rows]
        assert len(set(frames)) == len(frames) >= 2
        assert {frame in pool for frame in frames} == {name in test}
