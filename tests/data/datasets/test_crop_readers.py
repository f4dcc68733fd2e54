"""The four crop data sets, on mini sets written in each layout."""

import numpy as np
import pytest
from detectron2.data import DatasetCatalog, MetadataCatalog
from PIL import Image

from inet_d2.data.crops import CropDataset
from inet_d2.data.datasets import load_cuhk03, load_duke_reid, load_market1501, load_msmt17, load_records
from inet_d2.data.datasets.cuhk03 import cuhk03_identities
from inet_d2.data.datasets.market1501 import market1501_identities
from inet_d2.data.datasets.msmt17 import msmt17_identities
from inet_d2.data.pids import UNLABELLED
from inet_d2.data.training_records import load_training_records


def write_crops(root, names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((8, 4, 3), 90, np.uint8)).save(root / name)


MARKET = [
    *(f"bounding_box_train/{pid:04d}_c{camera}s1_00000{camera}_01.jpg" for pid in (2, 7, 30) for camera in (1, 2)),
    "query/0003_c1s1_000001_00.jpg",
    "query/0011_c2s1_000002_00.jpg",
    "bounding_box_test/0003_c2s1_000011_01.jpg",
    "bounding_box_test/0011_c1s3_000012_02.jpg",
    "bounding_box_test/0009_c6s3_000012_02.jpg",  # nobody searches this one, but they have a number
    "bounding_box_test/0000_c1s1_000013_01.jpg",  # distractor
    "bounding_box_test/-1_c1s1_000014_01.jpg",  # junk
]


@pytest.fixture
def market(tmp_path):
    root = tmp_path / "Market-1501-v15.09.15"
    write_crops(root, MARKET)
    (root / "bounding_box_test" / "Thumbs.db").write_bytes(b"of a file browser")
    return root


def people(records):
    return [(r["image_id"].split("/")[-1][:7], r["camera_id"], r["annotations"][0]["person_id"]) for r in records]


def test_market_training_people_are_numbered_by_their_sorted_ids(market):
    records = load_market1501(market, "train")
    assert people(records) == [
        ("0002_c1", 1, 0),
        ("0002_c2", 2, 0),
        ("0007_c1", 1, 1),
        ("0007_c2", 2, 1),
        ("0030_c1", 1, 2),
        ("0030_c2", 2, 2),
    ]
    assert market1501_identities(market, "train") == [2, 7, 30]
    first = records[0]
    assert (first["width"], first["height"]) == (4, 8)
    assert first["annotations"][0]["bbox"] == [0.0, 0.0, 4.0, 8.0]
    assert first["image_id"] == "bounding_box_train/0002_c1s1_000001_01.jpg"


def test_market_query_and_gallery_share_a_numbering_without_junk(market):
    assert people(load_market1501(market, "query")) == [("0003_c1", 1, 0), ("0011_c2", 2, 1)]
    assert people(load_market1501(market, "gallery")) == [
        ("0000_c1", 1, UNLABELLED),
        ("0003_c2", 2, 0),
        ("0009_c6", 6, 2),
        ("0011_c1", 1, 1),
    ]
    assert market1501_identities(market, "query") == market1501_identities(market, "gallery") == [3, 11, 9]


def test_duke_has_no_special_ids(tmp_path):
    write_crops(
        tmp_path,
        [
            "query/0005_c2_f0046985.jpg",
            "bounding_box_test/0005_c8_f0046986.jpg",
            "bounding_box_test/4512_c1_f0046986.jpg",
        ],
    )
    assert people(load_duke_reid(tmp_path, "gallery")) == [("0005_c8", 8, 0), ("4512_c1", 1, 1)]


@pytest.mark.parametrize(
    "names",
    [("1_001_1_01.png", "1_001_2_06.png", "2_001_1_02.png"), ("0001_c1_1.png", "0001_c2_6.png", "0002_c1_2.png")],
)
def test_cuhk03_in_both_ways_of_naming(tmp_path, names):
    write_crops(tmp_path, [f"bounding_box_train/{name}" for name in names])
    assert [(c, p) for _, c, p in people(load_cuhk03(tmp_path, "train"))] == [(1, 0), (2, 0), (1, 1)]
    assert len(cuhk03_identities(tmp_path, "train")) == 2


@pytest.mark.parametrize("folders", [("train", "test"), ("mask_train_v2", "mask_test_v2")])
def test_msmt17_lists(tmp_path, folders):
    lists = {
        "list_train.txt": ["0000/0000_000_01_0303morning_0015_0.jpg 0", "0001/0001_000_15_0303morning_0015_0.jpg 1"],
        "list_val.txt": ["0000/0000_001_02_0303noon_0016_0.jpg 0"],
        "list_query.txt": ["0000/0000_000_01_0303morning_0001_0.jpg 0"],
        "list_gallery.txt": ["0000/0000_001_05_0303morning_0002_0.jpg 0", "0004/0004_000_01_0303noon_0003_0.jpg 4"],
    }
    for name, lines in lists.items():
        (tmp_path / name).write_text("\r\n".join(lines) + "\r\n", newline="")
        folder = folders[name in ("list_query.txt", "list_gallery.txt")]
        write_crops(tmp_path / folder, [line.split()[0] for line in lines])
    assert people(load_msmt17(tmp_path, "train")) == [("0000_00", 1, 0), ("0001_00", 15, 1), ("0000_00", 2, 0)]
    # Id 0 is a person here, not a distractor.
    assert people(load_msmt17(tmp_path, "gallery")) == [("0000_00", 5, 0), ("0004_00", 1, 1)]
    assert msmt17_identities(tmp_path, "gallery") == [0, 4]
    (tmp_path / "list_val.txt").write_text("0000.jpg 0\n")
    with pytest.raises(ValueError, match=r"list_val.txt: line 1: expected a path such as"):
        load_msmt17(tmp_path, "train")
    (tmp_path / "list_val.txt").unlink()
    with pytest.raises(FileNotFoundError, match=r"list_val.txt is missing"):
        load_msmt17(tmp_path, "train")


def test_what_does_not_fit_is_named(market):
    with pytest.raises(ValueError, match="split: expected one of train, query, gallery, found 'test'"):
        load_market1501(market, "test")
    (market / "query" / "holiday.jpg").write_bytes(b"")
    with pytest.raises(ValueError, match=r"query: expected names that match .*, found holiday.jpg"):
        load_market1501(market, "query")
    (market / "query" / "holiday.jpg").unlink()
    (market / "query" / "0003_c1s1_000001_00.jpg").write_bytes(b"")
    with pytest.raises(ValueError, match="market1501: expected 2 readable frames, found 1 missing or damaged"):
        load_market1501(market, "query")
    with pytest.raises(FileNotFoundError, match="bounding_box_train does not exist"):
        load_market1501(market / "query", "train")
    empty = market / "empty" / "query"
    empty.mkdir(parents=True)
    with pytest.raises(ValueError, match="expected images, found none"):
        load_market1501(empty.parent, "query")


def test_registered_names_and_the_first_stage(market, tmp_path, monkeypatch):
    monkeypatch.setenv("DETECTRON2_DATASETS", str(tmp_path))
    for family in ("market1501", "dukemtmc_reid", "cuhk03_detected", "cuhk03_labelled", "msmt17"):
        for split in ("train", "query", "gallery"):
            assert f"{family}_{split}" in DatasetCatalog.list()
            assert MetadataCatalog.get(f"{family}_{split}").evaluator_type == "person_reid"
        assert MetadataCatalog.get(f"{family}_query").gallery == f"{family}_gallery"
    assert MetadataCatalog.get("market1501_train").identity_loader() == [2, 7, 30]
    dataset = CropDataset(load_records("market1501_train", with_sizes=True))
    assert [len(item["appearances"]) for item in dataset] == [2, 2, 2]


def test_identities_of_two_sets_come_one_after_the_other(market, tmp_path, monkeypatch):
    monkeypatch.setenv("DETECTRON2_DATASETS", str(tmp_path))
    write_crops(tmp_path / "DukeMTMC-reID", [f"bounding_box_train/000{pid}_c1_f00.jpg" for pid in (4, 8)])
    records = load_training_records(("market1501_train", "dukemtmc_reid_train"), num_pids=5)
    assert [r["annotations"][0]["person_id"] for r in records] == [0, 0, 1, 1, 2, 2, 3, 4]
