import numpy as np
import pytest
from detectron2.structures import BoxMode

from inet_d2.data.datasets import ProtocolRule, make_protocol

RULE = ProtocolRule(cross_camera=False)


def record(name, pids, **where):
    """An image with people side by side, 10 pixels wide and 20 high."""
    people = [
        {"bbox": [20.0 * k, 5.0, 10.0, 20.0], "bbox_mode": BoxMode.XYWH_ABS, "person_id": pid, "iscrowd": 0}
        for k, pid in enumerate(pids)
    ]
    return {"image_id": name, "annotations": people, **where}


@pytest.fixture(scope="module")
def street():
    """60 images: 3 cameras with 20 frames each, ten frames apart, 8 people, some unknown."""
    rng = np.random.default_rng(0)
    return [
        record(f"c{camera}_{frame:03d}", rng.choice([-1, *range(8)], 3, replace=False), camera_id=camera, frame=frame)
        for camera in (1, 2, 3)
        for frame in range(0, 200, 10)
    ]


def where_of(records):
    return {r["image_id"]: (r["camera_id"], r["frame"]) for r in records}


def galleries(protocol):
    """Names of the images of each query's gallery."""
    parts = np.split(protocol.image_names[protocol.entry_images], protocol.entry_offsets[1:-1])
    return [part.tolist() for part in parts]


def is_allowed(query, other, gap, cross_camera):
    """The slow twin: may an image (camera, frame) be in the gallery of a query?"""
    if query[0] == other[0]:
        return not cross_camera and abs(query[1] - other[1]) >= gap
    return True


@pytest.mark.parametrize("cross_camera", [False, True])
@pytest.mark.parametrize("gap", [0, 30])
def test_the_full_gallery_is_every_allowed_image(street, cross_camera, gap):
    protocol = make_protocol("street", street, 0, ProtocolRule(time_gap=gap, cross_camera=cross_camera))
    places = where_of(street)
    for name, gallery in zip(protocol.query_names.tolist(), galleries(protocol), strict=True):
        # A time gap of 0 leaves the query's own image out, too.
        allowed = [n for n in places if is_allowed(places[name], places[n], max(gap, 1), cross_camera)]
        assert gallery == allowed
    assert protocol.cross_camera == cross_camera


def test_truths_are_the_person_in_each_image_of_the_gallery(street):
    protocol = make_protocol("street", street, 0, RULE)
    pids = {(r["image_id"], a["bbox"][0]): a["person_id"] for r in street for a in r["annotations"]}
    for query in range(protocol.num_queries):
        pid = pids[protocol.query_names[query], protocol.query_boxes[query][0]]
        gallery = galleries(protocol)[query]
        mine = protocol.truth_queries == query
        found = list(
            zip(
                protocol.image_names[protocol.entry_images[protocol.truth_entries[mine]]],
                protocol.truth_boxes[mine, 0],
                strict=True,
            )
        )
        assert found == [(name, x) for (name, x), other in pids.items() if other == pid and name in gallery]
    np.testing.assert_array_equal(
        protocol.truth_boxes[:, 2:] - protocol.truth_boxes[:, :2], [[10, 20]] * len(protocol.truth_boxes)
    )


def test_every_person_has_the_queries_that_were_asked_for(street):
    counts = []
    for asked in (1, 2, 1000):
        protocol = make_protocol("street", street, 5, ProtocolRule(queries_per_person=asked, time_gap=0))
        assert (
            len(np.unique(np.column_stack([protocol.query_names, protocol.query_boxes]), axis=0))
            == protocol.num_queries
        )
        counts.append(protocol.num_queries)
    labelled = sum(a["person_id"] >= 0 for r in street for a in r["annotations"])
    assert counts == [8, 16, labelled]


def test_a_small_gallery_is_part_of_a_larger_one_and_half_of_it_shows_the_person(street):
    protocols = {size: make_protocol("street", street, size, RULE) for size in (1, 6, 20, 50)}
    for size, protocol in protocols.items():
        assert [len(gallery) for gallery in galleries(protocol)] == [size] * 8
        assert (protocol.num_ground_truths >= 1).all()
        assert (protocol.num_ground_truths <= max(size // 2, 1)).all()
        np.testing.assert_array_equal(protocol.query_boxes, protocols[1].query_boxes)
    for small, large in zip(galleries(protocols[6]), galleries(protocols[20]), strict=True):
        assert set(small) < set(large)


def test_the_seed_decides(street):
    first, again, other = (make_protocol("street", street, 9, ProtocolRule(seed=seed)) for seed in (1, 1, 2))
    assert galleries(first) == galleries(again)
    assert galleries(first) != galleries(other)
    assert first.query_names.tolist() != other.query_names.tolist()


def test_the_block_size_decides_nothing(street, monkeypatch):
    whole = galleries(make_protocol("street", street, 9, RULE))
    monkeypatch.setattr("inet_d2.data.datasets.made_protocol._CELLS_AT_ONCE", 130)  # two queries at once
    assert galleries(make_protocol("street", street, 9, RULE)) == whole


def test_who_is_no_query():
    records = [
        record("a", [0, 1, 2, -1], camera_id=1, frame=0),
        record("b", [0, 1, -1], camera_id=1, frame=9),
        record("c", [1], camera_id=1, frame=60),
        record("d", [3, 3], camera_id=2, frame=0),
        record("e", [1], camera_id=2, frame=5),
    ]
    # 0 is seen twice, 9 frames apart; 2 and 3 in one image only; 1 is seen by both cameras.
    near = make_protocol("s", records, 0, ProtocolRule(time_gap=9, cross_camera=False, queries_per_person=9))
    assert sorted(near.query_names.tolist()) == ["a", "a", "b", "b", "c", "e"]
    far = make_protocol("s", records, 0, ProtocolRule(time_gap=10, cross_camera=False, queries_per_person=9))
    assert sorted(far.query_names.tolist()) == ["a", "b", "c", "e"]
    across = make_protocol("s", records, 0, ProtocolRule(cross_camera=True, queries_per_person=9))
    assert sorted(across.query_names.tolist()) == ["a", "b", "c", "e"]
    assert across.num_ground_truths.tolist() == [1, 1, 1, 3]


def test_crowds_are_nobody_and_the_first_box_counts():
    records = [record("a", [0]), record("b", [0, 0]), record("c", [0])]
    records[2]["annotations"][0]["iscrowd"] = 1
    protocol = make_protocol("s", records, 0, ProtocolRule(queries_per_person=9))
    assert protocol.query_names.tolist() == ["a", "b", "b"]
    assert protocol.num_ground_truths.tolist() == [1, 1, 1]
    assert protocol.truth_boxes[0].tolist() == [0, 5, 10, 25]


def test_cameras_decide_where_somebody_is_seen_by_two():
    alone = [record("a", [0], camera_id=1), record("b", [0], camera_id=1), record("c", [1], camera_id=2)]
    both = [*alone, record("d", [1], camera_id=1)]
    partly = [*both, record("e", [1])]
    assert not make_protocol("s", alone, 0, ProtocolRule()).cross_camera
    assert make_protocol("s", both, 0, ProtocolRule()).cross_camera
    assert not make_protocol("s", partly, 0, ProtocolRule()).cross_camera
    assert make_protocol("s", both, 0, RULE).across_cameras().cross_camera


@pytest.mark.parametrize(
    ("records", "size", "rule", "message"),
    [
        ([record("a", [0]), record("b", [1])], 0, RULE, r"s: expected people to search, found none of 2 seen again"),
        ([record("a", [-1])], 0, RULE, "found none of 0"),
        (
            [record("a", [0], frame=1), record("b", [0])],
            0,
            RULE,
            "frame: .* in every image or in none, found none in b",
        ),
        ([record("a", [0], frame=1), record("b", [0], frame=1)], 0, RULE, "found 1 again in b; say by camera_id"),
        (
            [record("a", [0]), record("b", [0])],
            0,
            ProtocolRule(cross_camera=True),
            "expected a camera_id in every image",
        ),
        ([record("a", [0]), record("b", [0])], "occlusion", RULE, "gallery size: .* found 'occlusion'"),
    ],
)
def test_data_that_cannot_be_searched(records, size, rule, message):
    with pytest.raises(ValueError, match=message):
        make_protocol("s", records, size, rule)


@pytest.mark.parametrize(
    ("field", "value"), [("seed", -1), ("queries_per_person", 0), ("time_gap", 2.5), ("cross_camera", "yes")]
)
def test_rules_out_of_range(field, value):
    with pytest.raises(ValueError, match=f"{field}: expected .* found {value!r}"):
        ProtocolRule(**{field: value})
