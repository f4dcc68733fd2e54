import numpy as np
import pytest
from PIL import Image
from scipy.io import loadmat

from inet_d2.data.datasets import load_prw, load_prw_protocol
from inet_d2.matlab.write import save_matrix
from inet_d2.scenes import make_scenes

SMALL = {"frames": (10, 14), "ids": (5, 6), "seed": 2, "progress": False}


@pytest.fixture(scope="module")
def prw_scenes(tmp_path_factory):
    return make_scenes(tmp_path_factory.mktemp("prw"), "street", layout="prw", **SMALL)


def test_the_reader_of_prw_reads_both_splits(prw_scenes):
    assert prw_scenes.name == "PRW"
    train, test = (load_prw(prw_scenes, split) for split in ("train", "test"))
    assert (len(train), len(test)) == (10, 14)
    for records, count in ((train, 5), (test, 6)):
        pids = {a["person_id"] for record in records for a in record["annotations"]}
        assert pids - {-1} == set(range(count))
        assert len({record["camera_id"] for record in records}) > 1
    assert (train[0]["width"], train[0]["height"]) == (320, 240)
    assert not {r["image_id"] for r in train} & {r["image_id"] for r in test}


def test_queries_are_of_people_whom_two_cameras_see(prw_scenes):
    protocol = load_prw_protocol(prw_scenes)
    rows = [line.split() for line in (prw_scenes / "query_info.txt").read_text().splitlines()]
    seen_by = {}
    for number in {row[0] for row in rows}:
        cameras = [row[5][:2] for row in rows if row[0] == number]
        assert len(set(cameras)) == len(cameras) >= 2
        seen_by[number] = cameras
    assert protocol.num_queries == len(rows) > 0
    assert (protocol.across_cameras().num_ground_truths >= 1).all()


def test_pictures_are_those_of_the_other_layout(prw_scenes, tmp_path):
    other = make_scenes(tmp_path, "street", **SMALL)
    for path in (prw_scenes / "frames").iterdir():
        number = int(path.stem.split("_")[1])
        assert path.read_bytes() == (other / "Image" / "SSM" / f"s{number}.jpg").read_bytes()
        with Image.open(path) as image:
            assert image.size == (320, 240)


def test_files_of_identities(prw_scenes):
    assert loadmat(prw_scenes / "ID_train.mat")["ID_train"].tolist() == [[1, 2, 3, 4, 5]]
    assert loadmat(prw_scenes / "ID_test.mat")["ID_test"].tolist() == [[6, 7, 8, 9, 10, 11]]


def test_a_matrix_keeps_its_numbers(tmp_path):
    values = np.array([[-2, 1.5, 3], [4, 5, 70000]])
    save_matrix(tmp_path / "m.mat", "m", values)
    np.testing.assert_array_equal(loadmat(tmp_path / "m.mat")["m"], values)


@pytest.mark.parametrize(
    ("preset", "layout", "message"),
    [
        ("tiny", "prw", "layout prw needs a preset with cameras"),
        ("tiny", "coco", "layout must be one of cuhk_sysu, prw"),
    ],
)
def test_layouts_that_do_not_fit(tmp_path, preset, layout, message):
    with pytest.raises(ValueError, match=message):
        make_scenes(tmp_path, preset, layout=layout, progress=False)
    assert not list(tmp_path.iterdir())
