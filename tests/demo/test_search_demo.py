import shutil

import numpy as np
import pytest
import torch
from detectron2.modeling import build_model
from PIL import Image

from inet_d2.engine import load_config
from places import config_path

CONFIG = config_path("quick_schedules/inet_instant_test.yaml")
BOX = ["40", "20", "80", "110"]


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "model.pth"
    torch.save({"model": build_model(load_config(CONFIG)).state_dict()}, path)
    return path


@pytest.fixture
def photos(tiny_scenes, tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for path in sorted((tiny_scenes / "CUHK-SYSU/Image/SSM").glob("*.jpg"))[:3]:
        shutil.copy(path, folder)
    return folder


@pytest.fixture
def demo(load_script, weights):
    """demo(query, gallery, output, *more) -> exit code."""
    main = load_script("demo/search_demo.py").main

    def call(query, gallery, output, *more):
        words = ["--config-file", CONFIG, "--query", query, "--box", *BOX, "--gallery", gallery, "--output", output]
        return main([str(x) for x in (*words, "--score-thresh", "0", *more, "--opts", "MODEL.WEIGHTS", weights)])

    return call


def test_the_answer_is_printed_and_drawn(demo, photos, tmp_path, capsys):
    query = sorted(photos.iterdir())[0]
    assert demo(query, photos, tmp_path / "out.png") == 0
    assert f"picture: {tmp_path / 'out.png'}" in capsys.readouterr().out
    assert np.asarray(Image.open(tmp_path / "out.png")).std() > 0


def test_an_index_is_kept_and_used_again(demo, photos, tmp_path, capsys):
    query, index = sorted(photos.iterdir())[0], tmp_path / "photos.index"
    assert demo(query, photos, tmp_path / "out.png", "--index", index) == 0
    assert index.exists()
    capsys.readouterr()
    assert demo(query, photos, tmp_path / "out.png", "--index", index, "--topk", "2") == 0


def test_a_banner_and_files_of_a_phone_end_nothing(demo, photos, tmp_path, capsys):
    Image.new("RGB", (4000, 8)).save(photos / "banner.png")
    (photos / "b.heic").write_bytes(b"no matter")
    assert demo(sorted(photos.glob("*.jpg"))[0], photos, tmp_path / "out.png") == 0
    assert "passed over, neither images nor videos that can be read: 1 .heic" in capsys.readouterr().out


def test_no_photo_is_replaced(demo, photos, tmp_path, capsys):
    query = sorted(photos.iterdir())[0]
    before = query.read_bytes()
    assert demo(query, photos, query) == 2
    assert query.read_bytes() == before
    assert demo(query, photos, sorted(photos.iterdir())[1]) == 2
    assert demo(tmp_path / "none.jpg", photos, tmp_path / "out.png") == 2
    assert "none.jpg does not exist; name an image file" in capsys.readouterr().err
    assert not (tmp_path / "out.png").exists()
