"""Loaders: batches of whole pairs and identities, the same for every number of workers; clear errors."""

import numpy as np
import pytest
import torch
from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.utils import comm

from inet_d2.data import build, training_records
from inet_d2.data.bad_samples import LoadingError
from inet_d2.data.build import TRAIN_LOADER_REGISTRY, build_train_loader
from inet_d2.data.datasets.protocol import SearchProtocol
from inet_d2.data.pids import is_labelled

BOX = [10.0, 5.0, 30.0, 40.0]


@pytest.fixture
def training_set(cfg, make_record):
    """Four images with two identities: pid 0 in all four (6 pairs), pid 1 in two (1 pair)."""
    records = [
        make_record("a.png", [(BOX, 0), (BOX, 1)]),
        make_record("b.png", [(BOX, 0)]),
        make_record("c.png", [(BOX, 1), (BOX, 0), (BOX, -1)]),
        make_record("d.png", [(BOX, 0)]),
    ]
    name = "pairs_of_tests_train"
    DatasetCatalog.register(name, lambda: records)
    cfg.DATASETS.TRAIN = (name,)
    cfg.MODEL.ROI_REID_HEAD.NUM_PIDS = 2
    cfg.SOLVER.IMS_PER_BATCH = 4
    cfg.SEED = 3
    yield cfg
    DatasetCatalog.remove(name)
    MetadataCatalog.pop(name, None)


def take(loader, num_batches):
    batches = iter(loader)
    return [next(batches) for _ in range(num_batches)]


def pair_names(batch):
    return [tuple(sorted(output["image_id"] for output in batch[i : i + 2])) for i in range(0, len(batch), 2)]


def test_batches_are_whole_pairs_and_an_epoch_is_every_pair(training_set):
    training_set.SOLVER.IMS_PER_BATCH = 2
    epochs = [take(build_train_loader(training_set), 14)[start : start + 7] for start in (0, 7)]
    for epoch in epochs:
        names = [pair_names(batch)[0] for batch in epoch]
        all_pairs = [("a.png", "b.png"), ("a.png", "c.png"), ("a.png", "c.png"), ("a.png", "d.png")]
        all_pairs += [("b.png", "c.png"), ("b.png", "d.png"), ("c.png", "d.png")]
        assert sorted(names) == sorted(all_pairs)  # a-c twice: once for each of its two identities
        assert all(0 in output["instances"].gt_pids for batch in epoch for output in batch)


def test_same_seed_same_pairs_for_any_number_of_workers(training_set):
    drawn = []
    for num_workers in (0, 2):
        training_set.DATALOADER.NUM_WORKERS = num_workers
        drawn.append([pair_names(batch) for batch in take(build_train_loader(training_set), 6)])
    assert drawn[0] == drawn[1]
    training_set.SEED = 4
    assert [pair_names(batch) for batch in take(build_train_loader(training_set), 6)] != drawn[0]


def test_aspect_ratio_grouping_is_ignored(training_set):
    training_set.DATALOADER.ASPECT_RATIO_GROUPING = True
    assert all(len(batch) == 4 for batch in take(build_train_loader(training_set), 3))


def test_crop_batches_hold_whole_identities(training_set):
    training_set.DATALOADER.TRAIN_LOADER = "build_crop_train_loader"
    training_set.SOLVER.IMS_PER_BATCH = 6
    for batch in take(build_train_loader(training_set), 3):
        pids = [output["instances"].gt_pids.item() for output in batch]
        assert sorted([pids[:3], pids[3:]]) == [[0, 0, 0], [1, 1, 1]]
        assert len({output["image_id"] for output in batch[pids.index(0) :][:3]}) == 3


@pytest.mark.parametrize("num_workers", [0, 2])
def test_kept_cutouts_change_no_crop_for_any_worker_or_place_of_entry(training_set, num_workers):
    training_set.DATALOADER.TRAIN_LOADER = "build_crop_train_loader"
    training_set.SOLVER.IMS_PER_BATCH = 3
    training_set.INPUT.PERSON_CROP.CACHE_MIB = 0
    expected = take(build_train_loader(training_set), 12)
    training_set.INPUT.PERSON_CROP.CACHE_MIB = 1
    training_set.DATALOADER.NUM_WORKERS = num_workers
    entered = build_train_loader(training_set)
    entered.batch_sampler.num_taken = 5  # identities, one in each batch
    for found, wanted in ((take(build_train_loader(training_set), 12), expected), (take(entered, 7), expected[5:])):
        for batch, other in zip(found, wanted, strict=True):
            assert [x["image_id"] for x in batch] == [x["image_id"] for x in other]
            assert all(torch.equal(x["image"], y["image"]) for x, y in zip(batch, other, strict=True))


LOADERS = ["build_pair_train_loader", "build_image_train_loader", "build_crop_train_loader"]


def plain(batch):
    return [(x["image_id"], x["instances"].gt_pids.tolist(), x["image"].sum().item()) for x in batch]


@pytest.fixture
def broken_set(training_set, tmp_path):
    """The training set with d.png cut off."""
    path = tmp_path / "d.png"
    path.write_bytes(path.read_bytes()[:2000])
    training_set.SOLVER.IMS_PER_BATCH = 6  # whole pairs, and whole identities
    training_set.DATALOADER.MAX_BAD_SHARE = 0.9
    return training_set


@pytest.mark.parametrize("loader", LOADERS)
@pytest.mark.parametrize("num_workers", [0, 2])
def test_a_bad_image_ends_the_run_with_its_name(broken_set, loader, num_workers):
    broken_set.DATALOADER.TRAIN_LOADER, broken_set.DATALOADER.NUM_WORKERS = loader, num_workers
    with pytest.raises(
        LoadingError, match=r"image \S*d\.png cannot be decoded .*or set DATALOADER.ON_BAD_SAMPLE to skip"
    ):
        take(build_train_loader(broken_set), 6)


@pytest.mark.parametrize("loader", LOADERS)
def test_a_skipped_sample_is_replaced_by_the_same_one_everywhere(broken_set, loader, monkeypatch):
    """For any number of workers and processes, and wherever the stream is entered."""
    broken_set.DATALOADER.TRAIN_LOADER, broken_set.DATALOADER.ON_BAD_SAMPLE = loader, "skip"
    built = build_train_loader(broken_set)
    whole = [plain(batch) for batch in take(built, 6)]
    assert built.bad_samples.num_replaced > 0
    assert [len(batch) for batch in whole] == [6] * 6
    assert {name for batch in whole for name, _, _ in batch} == {"a.png", "b.png", "c.png"}

    broken_set.DATALOADER.NUM_WORKERS = 2
    later = build_train_loader(broken_set)
    later.batch_sampler.num_taken = 2 * later.batch_sampler.items_per_batch
    assert [plain(batch) for batch in take(later, 4)] == whole[2:]

    broken_set.DATALOADER.NUM_WORKERS, broken_set.SOLVER.IMS_PER_BATCH = 0, 12
    alone = [plain(batch) for batch in take(build_train_loader(broken_set), 3)]
    parts = []
    for rank in range(2):
        monkeypatch.setattr(comm, "get_world_size", lambda: 2)
        monkeypatch.setattr(comm, "get_rank", lambda rank=rank: rank)
        parts.append([plain(batch) for batch in take(build_train_loader(broken_set), 3)])
    assert [first + second for first, second in zip(*parts, strict=True)] == alone


def test_the_replacement_has_the_same_shape(broken_set, make_record, monkeypatch, tmp_path):
    """Batches of images that are all wide or all tall stay so."""
    tall = [make_record(f"tall{number}.png", [(BOX, 0)], size=(64, 48)) for number in range(3)]
    (tmp_path / "tall1.png").unlink()
    records = [*DatasetCatalog.get(broken_set.DATASETS.TRAIN[0]), *tall]
    monkeypatch.setattr(DatasetCatalog, "get", lambda name: records)
    broken_set.DATALOADER.TRAIN_LOADER, broken_set.DATALOADER.ON_BAD_SAMPLE = "build_image_train_loader", "skip"
    broken_set.DATALOADER.ASPECT_RATIO_GROUPING = True
    loader = build_train_loader(broken_set)
    for batch in take(loader, 8):
        assert len({x["width"] > x["height"] for x in batch}) == 1
    assert len(loader.bad_samples.reasons) == 2


def test_a_set_without_any_sound_image_is_given_up(broken_set, tmp_path):
    broken_set.DATALOADER.ON_BAD_SAMPLE = "skip"
    for path in tmp_path.glob("*.png"):
        path.unlink()
    with pytest.raises(LoadingError, match=r"is missing.* \(20 samples in a row\); then go on"):
        take(build_train_loader(broken_set), 1)


def test_a_negative_patience_is_refused(training_set):
    training_set.DATALOADER.PATIENCE = -1.0
    with pytest.raises(ValueError, match="PATIENCE: expected seconds, 0 for never, found -1"):
        build_train_loader(training_set)


@pytest.fixture
def image_set(training_set, make_record, monkeypatch):
    """The four images of ``training_set``, one without people and one with a crowd only."""
    crowd = make_record("f.png", [(BOX, -1)])
    crowd["annotations"][0]["iscrowd"] = 1
    records = [*DatasetCatalog.get(training_set.DATASETS.TRAIN[0]), make_record("e.png", []), crowd]
    monkeypatch.setattr(DatasetCatalog, "get", lambda name: records)
    training_set.DATALOADER.TRAIN_LOADER = "build_image_train_loader"
    return training_set


@pytest.mark.parametrize(("keep_people_only", "expected"), [(True, "abcd"), (False, "abcdef")])
def test_image_batches_hold_every_image_once_an_epoch(image_set, keep_people_only, expected):
    image_set.DATALOADER.FILTER_EMPTY_ANNOTATIONS = keep_people_only
    image_set.SOLVER.IMS_PER_BATCH = 1
    batches = take(build_train_loader(image_set), 2 * len(expected))
    for epoch in (batches[: len(expected)], batches[len(expected) :]):
        assert sorted(batch[0]["image_id"][0] for batch in epoch) == list(expected)
    people = {batch[0]["image_id"]: batch[0]["instances"].gt_pids.tolist() for batch in batches}
    assert people["c.png"] == [1, 0, -1]


def test_image_batches_follow_the_seed_for_any_number_of_workers(image_set):
    image_set.SOLVER.IMS_PER_BATCH = 2
    image_set.DATALOADER.ASPECT_RATIO_GROUPING = False
    drawn = []
    for num_workers in (0, 2):
        image_set.DATALOADER.NUM_WORKERS = num_workers
        drawn.append([[x["image_id"] for x in batch] for batch in take(build_train_loader(image_set), 6)])
    assert drawn[0] == drawn[1]
    assert all(len(batch) == 2 for batch in drawn[0])


def test_aspect_ratio_grouping_sorts_images_by_shape(image_set, make_record, monkeypatch):
    records = [*DatasetCatalog.get("any")[:3], make_record("tall.png", [(BOX, 0)], size=(64, 48))]
    monkeypatch.setattr(DatasetCatalog, "get", lambda name: records)
    image_set.DATALOADER.ASPECT_RATIO_GROUPING = True
    image_set.SOLVER.IMS_PER_BATCH = 2
    for batch in take(build_train_loader(image_set), 6):
        assert len({x["width"] > x["height"] for x in batch}) == 1


def test_no_image_with_people_is_an_error(image_set, make_record, monkeypatch):
    image_set.MODEL.ROI_REID_HEAD.NUM_PIDS = 0
    monkeypatch.setattr(DatasetCatalog, "get", lambda name: [make_record("e.png", [])])
    with pytest.raises(ValueError, match="expected images with people, found none"):
        build_train_loader(image_set)


def test_counts_are_logged(training_set, monkeypatch):
    lines = []
    for module in (build, training_records):
        monkeypatch.setattr(module._logger, "info", lambda text, *args: lines.append(text % args))
    build_train_loader(training_set)
    # boxes: 2 + 1 + 3 + 1 = 7, one of them without identity; pairs: 4 * 3 / 2 + 1 = 7
    assert lines == [
        "pairs_of_tests_train: 4 images, 7 boxes, 6 of them labelled, 2 identities",
        "pairs_of_tests_train: 7 same-identity image pairs",
    ]


@pytest.mark.parametrize(
    ("loader", "images_per_batch", "message"),
    [
        (
            "build_pair_train_loader",
            3,
            "IMS_PER_BATCH is 3, but build_pair_train_loader needs a multiple of 2",
        ),
        ("build_pair_train_loader", 0, "IMS_PER_BATCH is 0"),
        ("build_image_train_loader", 0, "IMS_PER_BATCH is 0, but build_image_train_loader needs a multiple of 1"),
        (
            "build_crop_train_loader",
            4,
            "IMS_PER_BATCH is 4, but build_crop_train_loader needs a multiple of 3",
        ),
    ],
)
def test_batch_size_that_does_not_fit_is_an_error(training_set, loader, images_per_batch, message):
    training_set.DATALOADER.TRAIN_LOADER = loader
    training_set.SOLVER.IMS_PER_BATCH = images_per_batch
    with pytest.raises(ValueError, match=message):
        build_train_loader(training_set)


@pytest.mark.parametrize("loader", ["build_pair_train_loader", "build_crop_train_loader"])
def test_wrong_number_of_identities_is_an_error(training_set, loader):
    training_set.DATALOADER.TRAIN_LOADER = loader
    training_set.MODEL.ROI_REID_HEAD.NUM_PIDS = 5532
    message = "NUM_PIDS is 5532, but pairs_of_tests_train has 2 labelled identities; set .* to 2"
    with pytest.raises(ValueError, match=message):
        build_train_loader(training_set)


def test_a_training_set_without_identities_is_an_error(training_set, make_record, monkeypatch):
    record = make_record("a.png", [(BOX, 0)])
    del record["annotations"][0]["person_id"]
    monkeypatch.setattr(DatasetCatalog, "get", lambda name: [record])
    with pytest.raises(ValueError, match=r"person_id: expected 2 identities .*, found none in 1 annotations; give"):
        build_train_loader(training_set)


def test_identities_with_gaps_are_an_error(training_set, make_record, monkeypatch):
    records = [make_record("a.png", [(BOX, 0), (BOX, 9)]), make_record("b.png", [(BOX, 0)])]
    monkeypatch.setattr(DatasetCatalog, "get", lambda name: records)
    with pytest.raises(ValueError, match="expected identities numbered 0 to 1, found 9"):
        build_train_loader(training_set)


@pytest.mark.parametrize("names", [(), ("pairs_of_tests_train", "pairs_of_tests_train")])
def test_training_sets_are_named_and_differ(training_set, names):
    training_set.DATASETS.TRAIN = names
    with pytest.raises(ValueError, match=r"DATASETS\.TRAIN: expected the names of different data sets, found"):
        build_train_loader(training_set)


def test_identities_of_several_training_sets_are_numbered_one_after_the_other(training_set, make_record):
    records = [make_record("x.png", [(BOX, 0), (BOX, -1)]), make_record("y.png", [(BOX, 0)])]
    DatasetCatalog.register("others_of_tests_train", lambda: records)
    try:
        training_set.DATASETS.TRAIN = ("pairs_of_tests_train", "others_of_tests_train")
        with pytest.raises(ValueError, match=r"pairs_of_tests_train \+ others_of_tests_train has 3 labelled"):
            build_train_loader(training_set)
        training_set.MODEL.ROI_REID_HEAD.NUM_PIDS = 3
        training_set.SOLVER.IMS_PER_BATCH = 2
        batches = take(build_train_loader(training_set), 8)  # 7 pairs of the first set and one of the second
    finally:
        DatasetCatalog.remove("others_of_tests_train")
        MetadataCatalog.pop("others_of_tests_train", None)
    pids = {x["image_id"]: x["instances"].gt_pids.tolist() for batch in batches for x in batch}
    assert pids == {"a.png": [0, 1], "b.png": [0], "c.png": [1, 0, -1], "d.png": [0], "x.png": [2, -1], "y.png": [2]}
    assert [person["person_id"] for record in records for person in record["annotations"]] == [0, -1, 0]


@pytest.mark.parametrize("loader", LOADERS)
@pytest.mark.parametrize(
    ("people", "message"),
    [
        ({"a.png": [(BOX, 0), (BOX, 0)], "b.png": [(BOX, 0), (BOX, 1)], "c.png": [(BOX, 1), (BOX, 1)]},
         r"person_id: expected every identity once in an image, found some repeated in 2 of the 3 images .*a\.png"),
        ({"a.png": [([70, 5, 90, 40], 0)], "b.png": [([70, 5, 90, 40], 0), (BOX, 1)], "c.png": [([-9, 5, 0, 40], 0)]},
         r"pairs_of_tests_train: 3 of 4 boxes have no area inside of their images"),
        ({}, "pairs_of_tests_train: expected images, found none"),
    ],
)  # fmt: skip
def test_what_would_train_silently_wrong(training_set, make_record, monkeypatch, loader, people, message):
    records = [make_record(name, boxes) for name, boxes in people.items()]
    monkeypatch.setattr(DatasetCatalog, "get", lambda name: records)
    training_set.DATALOADER.TRAIN_LOADER = loader
    with pytest.raises(ValueError, match=message):
        build_train_loader(training_set)


def test_an_image_that_comes_twice(training_set):
    """In one set or in two: its people would be paired with themselves."""
    records = DatasetCatalog.get(training_set.DATASETS.TRAIN[0])
    copy = {**records[0], "image_id": "another"}
    DatasetCatalog.register("copies_of_tests_train", lambda: [*records[1:], copy, copy])
    try:
        training_set.DATASETS.TRAIN = ("copies_of_tests_train",)
        with pytest.raises(
            ValueError, match=r"copies_of_tests_train: .* found \S*a\.png again \(in copies_of_tests_tr"
        ):
            build_train_loader(training_set)
        training_set.DATASETS.TRAIN = ("pairs_of_tests_train", "copies_of_tests_train")
        with pytest.raises(
            ValueError, match=r"copies_of_tests_train: .* found \S*b\.png again \(in pairs_of_tests_tra"
        ):
            build_train_loader(training_set)
    finally:
        DatasetCatalog.remove("copies_of_tests_train")
        MetadataCatalog.pop("copies_of_tests_train", None)


def test_unknown_loader_lists_the_known_ones(training_set):
    training_set.DATALOADER.TRAIN_LOADER = "build_pairs"
    message = "'build_pairs', which is not .*: build_clip_train_loader, build_crop_train_loader, build_image"
    with pytest.raises(ValueError, match=message):
        build_train_loader(training_set)
    assert "build_pair_train_loader" in TRAIN_LOADER_REGISTRY


@pytest.mark.parametrize(
    ("loader", "batch_size"),
    [("build_pair_train_loader", 2), ("build_image_train_loader", 3), ("build_crop_train_loader", 6)],
)
def test_registered_scenes_load(cfg, tiny_datasets, loader, batch_size):
    cfg.DATASETS.TRAIN = ("cuhk_sysu_train",)
    cfg.MODEL.ROI_REID_HEAD.NUM_PIDS = 8
    cfg.DATALOADER.TRAIN_LOADER = loader
    cfg.SOLVER.IMS_PER_BATCH = batch_size
    for batch in take(build_train_loader(cfg), 5):
        assert len(batch) == batch_size
        pids = torch.cat([x["instances"].gt_pids for x in batch])
        assert is_labelled(pids).any()


# --- test loader ---


def make_protocol(names, boxes):
    """Every query is in its image; what the gallery holds plays no part here."""
    num_queries = len(names)
    return SearchProtocol(
        name="TestProtocol",
        image_names=np.array(["a.png", "b.png", "c.png"]),
        query_names=np.array(names),
        query_boxes=np.array(boxes, dtype=np.float64).reshape(-1, 4),
        entry_offsets=np.zeros(num_queries + 1, dtype=np.int64),
        entry_images=np.zeros(0, dtype=np.int64),
        truth_entries=np.zeros(0, dtype=np.int64),
        truth_boxes=np.zeros((0, 4)),
    )


@pytest.fixture
def test_records(make_record):
    return [make_record(name, [(BOX, 0)]) for name in ("a.png", "b.png", "c.png")]  # 48 x 64 pixels each


def test_test_loader_puts_query_boxes_on_their_images(cfg, test_records, monkeypatch):
    boxes = [[1, 2, 9, 9], BOX, [3, 4, 20, 30]]
    asked = []

    def load_protocol(*args):
        asked.append(args)
        return make_protocol(["c.png", "a.png", "c.png"], boxes)

    monkeypatch.setattr(build, "load_protocol", load_protocol)
    monkeypatch.setattr(build, "load_records", lambda name, with_sizes: test_records)
    cfg.TEST.SEARCH.GALLERY_SIZES = (50, 100)
    cfg.INPUT.MIN_SIZE_TEST = 24  # half size
    batches = list(build.build_search_test_loader(cfg, "x_test"))
    assert asked == [("x_test", 50)]
    assert [batch[0]["image_id"] for batch in batches] == ["a.png", "b.png", "c.png"]
    assert batches[0][0]["query_boxes"].tolist() == [[5.0, 2.5, 15.0, 20.0]]
    assert "query_boxes" not in batches[1][0]
    assert batches[2][0]["query_boxes"].tolist() == [[0.5, 1.0, 4.5, 4.5], [1.5, 2.0, 10.0, 15.0]]
    assert "query_boxes" not in test_records[0]


def test_query_image_that_is_not_a_test_image_is_an_error(test_records):
    with pytest.raises(ValueError, match=r"among the 2 test images, but 1 are not, the first is c\.png"):
        build.attach_query_boxes(test_records[:2], make_protocol(["c.png"], [BOX]))


def test_query_box_outside_its_image_is_an_error(test_records):
    with pytest.raises(ValueError, match=r"query 1: expected a box inside b\.png \(64 x 48 pixels\)"):
        build.attach_query_boxes(test_records, make_protocol(["a.png", "b.png"], [BOX, [64, 5, 80, 30]]))


def test_no_gallery_size_is_an_error(cfg):
    cfg.TEST.SEARCH.GALLERY_SIZES = ()
    with pytest.raises(ValueError, match="GALLERY_SIZES is empty"):
        build.build_search_test_loader(cfg, "x_test")


@pytest.mark.parametrize("num_workers", [0, 1])
def test_a_bad_test_image_always_ends_the_evaluation(cfg, test_records, monkeypatch, tmp_path, num_workers):
    monkeypatch.setattr(build, "load_protocol", lambda *args: make_protocol(["a.png"], [BOX]))
    monkeypatch.setattr(build, "load_records", lambda name, with_sizes: test_records)
    cfg.DATALOADER.ON_BAD_SAMPLE, cfg.DATALOADER.NUM_WORKERS = "skip", num_workers
    (tmp_path / "b.png").write_bytes(b"")
    loader = build.build_search_test_loader(cfg, "x_test")
    assert len(loader) == 3
    with pytest.raises(LoadingError, match=r"b\.png cannot be decoded .*; an evaluation leaves no image out"):
        list(loader)


def test_registered_scenes_bring_all_their_queries(cfg, tiny_datasets):
    protocol = build.load_protocol("cuhk_sysu_test", 0)
    cfg.TEST.SEARCH.GALLERY_SIZES = (0,)
    cfg.TEST.SEARCH.USE_GT_BOXES = True
    inputs = [x for batch in build.build_search_test_loader(cfg, "cuhk_sysu_test") for x in batch]
    loaded = [box for x in inputs for box in x.get("query_boxes", torch.empty(0, 4)).tolist()]
    assert protocol.num_queries > 0
    assert sorted(loaded) == sorted(protocol.query_boxes.tolist())  # no resizing: the boxes as they are
    assert all(len(x["gallery_boxes"]) > 0 for x in inputs)
