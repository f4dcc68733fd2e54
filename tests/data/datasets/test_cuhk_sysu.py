import logging
import shutil

import numpy as np
import pytest
from scipy.io import savemat

from inet_d2.data.datasets import load_cuhk_sysu, load_cuhk_sysu_protocol


def boxes_of(record):
    return [tuple(a["bbox"]) for a in record["annotations"]]


def pids_of(record):
    return [a["person_id"] for a in record["annotations"]]


def test_train_records(small_cuhk, caplog):
    with caplog.at_level(logging.WARNING):
        records = load_cuhk_sysu(small_cuhk.root, "train", image_sizes=False)
    assert [r["image_id"] for r in records] == ["s10.jpg", "s2.jpg", "s3.jpg"]
    assert boxes_of(records[0]) == [(200, 20, 300, 270), (5, 5, 25, 65)]
    assert boxes_of(records[1]) == [(-3, 4, 27, 74), (300, 40, 350, 160)]
    # The box of zero width is gone; of two equal boxes the first gets the identity.
    assert boxes_of(records[2]) == [(1.5, 2.25, 32.0, 72.25), (10, 20, 40, 100), (10, 20, 40, 100)]
    assert [pids_of(r) for r in records] == [[0, 1], [0, -1], [1, 0, -1]]
    assert records[0]["annotations"][0]["category_id"] == 0
    assert "height" not in records[0]
    assert records[0]["file_name"].endswith("Image/SSM/s10.jpg")


def test_unmatched_labels_are_counted_and_reported_once(small_cuhk, caplog):
    with caplog.at_level(logging.WARNING):
        load_cuhk_sysu(small_cuhk.root, "train", image_sizes=False)
    warnings = [r.getMessage() for r in caplog.records if "equal no annotated box" in r.getMessage()]
    assert len(warnings) == 1
    assert "2 of 7 labelled boxes" in warnings[0]
    assert "s2.jpg" in warnings[0]


def test_test_records_follow_the_pool_and_hold_no_train_ids(small_cuhk):
    records = load_cuhk_sysu(small_cuhk.root, "test", image_sizes=False)
    assert [r["image_id"] for r in records] == ["s9.jpg", "s7.jpg", "s1.jpg", "s8.jpg"]
    assert [pids_of(r) for r in records] == [[0, 1], [0, -1], [-1, 1], [1]]


def test_labels_come_from_any_protocol_size(small_cuhk):
    expected = load_cuhk_sysu(small_cuhk.root, "test", image_sizes=False)
    (small_cuhk.train_test / "TestG50.mat").rename(small_cuhk.train_test / "kept")
    queries = [
        ("s9.jpg", (31, 32, 40, 90), [("s8.jpg", None), ("s7.jpg", (11, 12, 40, 90))]),  # not a prefix
        ("s8.jpg", (21, 22, 40, 90), [("s1.jpg", (260, 42, 40, 90)), ("s9.jpg", (131, 32, 40, 90))]),
    ]
    small_cuhk.protocol(1000, queries)
    assert load_cuhk_sysu(small_cuhk.root, "test", image_sizes=False) == expected


def test_frame_sizes_are_read_from_the_headers(small_cuhk):
    small_cuhk.frames(["s9.jpg", "s7.jpg", "s1.jpg"], size=(320, 200))
    small_cuhk.frames(["s8.jpg"], size=(90, 240))
    records = load_cuhk_sysu(small_cuhk.root, "test")
    assert [(r["width"], r["height"]) for r in records] == [(320, 200)] * 3 + [(90, 240)]


def test_missing_frame_is_named(small_cuhk):
    small_cuhk.frames(["s9.jpg", "s7.jpg", "s1.jpg"])
    with pytest.raises(FileNotFoundError, match=r"expected 4 readable frames, found 1 .*s8\.jpg is missing"):
        load_cuhk_sysu(small_cuhk.root, "test")


def test_damaged_frame_is_named(small_cuhk):
    small_cuhk.frames(["s9.jpg", "s7.jpg", "s1.jpg"])
    (small_cuhk.root / "Image" / "SSM" / "s8.jpg").write_bytes(b"not a picture")
    with pytest.raises(ValueError, match=r"s8\.jpg cannot be read"):
        load_cuhk_sysu(small_cuhk.root, "test")


def test_missing_root_names_the_variable_to_set(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"absent does not exist; .*DETECTRON2_DATASETS"):
        load_cuhk_sysu(tmp_path / "absent", "train")


@pytest.mark.parametrize(
    ("file_name", "split"),
    [("Images.mat", "train"), ("pool.mat", "train"), ("test/train_test/Train.mat", "train")],
)
def test_missing_mat_is_named(small_cuhk, file_name, split):
    (small_cuhk.root / "annotation" / file_name).unlink()
    with pytest.raises(FileNotFoundError, match=f"{file_name} is missing; .*DETECTRON2_DATASETS"):
        load_cuhk_sysu(small_cuhk.root, split, image_sizes=False)


def test_no_protocol_file_at_all(small_cuhk):
    (small_cuhk.train_test / "TestG50.mat").unlink()
    with pytest.raises(FileNotFoundError, match=r"TestG50\.mat is missing, and so is every other size"):
        load_cuhk_sysu(small_cuhk.root, "test", image_sizes=False)


@pytest.mark.parametrize(
    ("file_name", "variable"),
    [("Images.mat", "Img"), ("pool.mat", "pool"), ("test/train_test/Train.mat", "Train")],
)
def test_mat_of_another_shape_is_refused(small_cuhk, file_name, variable):
    savemat(small_cuhk.root / "annotation" / file_name, {variable: np.arange(6.0).reshape(2, 3)})
    with pytest.raises(ValueError, match=rf"{file_name}: {variable}: expected .*DETECTRON2_DATASETS"):
        load_cuhk_sysu(small_cuhk.root, "train", image_sizes=False)


def test_mat_without_the_variable_and_no_mat_at_all(small_cuhk):
    path = small_cuhk.root / "annotation" / "Images.mat"
    savemat(path, {"Other": np.zeros(3)})
    with pytest.raises(ValueError, match=r"Images\.mat: expected the variable Img, found none"):
        load_cuhk_sysu(small_cuhk.root, "train", image_sizes=False)
    path.write_text("plain text, longer than a MATLAB header " * 10)
    with pytest.raises(ValueError, match=r"Images\.mat: expected a MATLAB v5 file"):
        load_cuhk_sysu(small_cuhk.root, "train", image_sizes=False)


def test_box_with_three_numbers_is_refused(small_cuhk):
    small_cuhk.images({"s1.jpg": [(1, 2, 3)]})
    with pytest.raises(ValueError, match=r"Images\.mat: Img: expected .* found another structure .*found 3"):
        load_cuhk_sysu(small_cuhk.root, "train", image_sizes=False)


def test_pool_image_without_annotation_is_refused(small_cuhk):
    small_cuhk.pool(["s9.jpg", "s99.jpg"])
    with pytest.raises(ValueError, match=r"pool\.mat: expected images that the annotations list, .*s99\.jpg"):
        load_cuhk_sysu(small_cuhk.root, "test", image_sizes=False)


def test_unknown_split(small_cuhk):
    with pytest.raises(ValueError, match="split: expected train or test, found 'val'"):
        load_cuhk_sysu(small_cuhk.root, "val")


def test_protocol_of_one_size_reads_that_file_only(small_cuhk):
    (small_cuhk.root / "annotation" / "Images.mat").unlink()
    protocol = load_cuhk_sysu_protocol(small_cuhk.root, 50)
    assert protocol.image_names.tolist() == ["s9.jpg", "s7.jpg", "s1.jpg", "s8.jpg"]
    assert protocol.query_names.tolist() == ["s9.jpg", "s8.jpg"]
    assert protocol.query_boxes.tolist() == [[31, 32, 71, 122], [21, 22, 61, 112]]
    assert protocol.entry_offsets.tolist() == [0, 3, 5]
    assert protocol.entry_images.tolist() == [1, 3, 2, 2, 0]
    assert protocol.truth_entries.tolist() == [0, 3, 4]
    assert protocol.truth_boxes[1].tolist() == [260, 42, 300, 132]
    assert protocol.num_ground_truths.tolist() == [1, 2]
    assert protocol.gallery == "listed"


def test_full_gallery_takes_its_entries_from_the_smallest_size(small_cuhk):
    protocol = load_cuhk_sysu_protocol(small_cuhk.root, 0)
    assert protocol.gallery == "listed_then_rest"
    assert protocol.entry_images.tolist() == [1, 3, 2, 2, 0]


@pytest.mark.parametrize(("name", "file_name"), [("occlusion", "Occlusion"), ("resolution", "Resolution")])
def test_subsets(small_cuhk, name, file_name):
    path = small_cuhk.root / "annotation" / "test" / "subset" / f"{file_name}.mat"
    variable = {"occlusion": "Occlusion1", "resolution": "Test_Size"}[name]
    queries = [("s8.jpg", (21, 22, 40, 90), [("s1.jpg", (260, 42, 40, 90))])]
    small_cuhk.protocol(0, queries, path=path, variable=variable)
    protocol = load_cuhk_sysu_protocol(small_cuhk.root, name)
    assert protocol.query_names.tolist() == ["s8.jpg"]
    assert protocol.name == variable


def test_unknown_gallery_size_lists_the_valid_ones(small_cuhk):
    with pytest.raises(ValueError, match=r"expected one of \(50, 100, .*'occlusion'.* found 75"):
        load_cuhk_sysu_protocol(small_cuhk.root, 75)


def test_absent_size_is_named(small_cuhk):
    with pytest.raises(FileNotFoundError, match=r"TestG4000\.mat is missing"):
        load_cuhk_sysu_protocol(small_cuhk.root, 4000)


def test_gallery_image_outside_the_test_split_is_refused(small_cuhk):
    small_cuhk.protocol(100, [("s8.jpg", (21, 22, 40, 90), [("s10.jpg", None)])])
    with pytest.raises(ValueError, match=r"Gallery imname: expected test images .* found s10\.jpg"):
        load_cuhk_sysu_protocol(small_cuhk.root, 100)


def test_protocol_of_another_shape_is_refused(small_cuhk):
    savemat(small_cuhk.train_test / "TestG100.mat", {"TestG100": np.zeros((1, 5))})
    with pytest.raises(ValueError, match=r"TestG100: expected records with the fields Query and Gallery"):
        load_cuhk_sysu_protocol(small_cuhk.root, 100)


@pytest.mark.parametrize("name", ["Images.mat", "pool.mat", "test/train_test/Train.mat", "test/train_test/TestG50.mat"])
def test_damaged_files_are_named_wherever_the_damage_is(tmp_path, tiny_scenes, name):
    """Bytes of the real layout set to nonsense at many places: a sentence with the file, or nothing lost."""
    shutil.copytree(tiny_scenes / "CUHK-SYSU" / "annotation", tmp_path / "annotation")
    path = tmp_path / "annotation" / name
    content = path.read_bytes()
    generator = np.random.default_rng(0)

    def complaint(start):
        path.write_bytes(content[:start] + generator.bytes(40) + content[start + 40 :])
        try:
            for split in ("train", "test"):
                load_cuhk_sysu(tmp_path, split, image_sizes=False)
        except ValueError as error:
            return str(error)
        return ""

    complaints = [complaint(start) for start in generator.integers(128, len(content), 25).tolist()]
    assert sum(path.name in found for found in complaints) > 20
    assert [found for found in complaints if found and path.name not in found] == []
