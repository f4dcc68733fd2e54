"""The examples of docs/own_data.md, run as a reader would run them, on frames that are drawn here."""

import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.modeling import build_model
from detectron2.utils.events import EventStorage
from PIL import Image

from inet_d2.data import build_train_loader, with_counted_pids
from inet_d2.data.datasets import load_protocol
from inet_d2.engine import INetTrainer, load_config
from places import ROOT

TEXT = (ROOT / "docs" / "own_data.md").read_text()


def blocks(kind):
    return re.findall(rf"```{kind}\n(.*?)```", TEXT, re.S)


def commands(tool):
    """Arguments of each line of the document that runs a tool."""
    lines = "\n".join(blocks("bash")).replace("\\\n", " ").splitlines()
    return [shlex.split(line)[2:] for line in lines if line.startswith(f"python {tool}")]


@pytest.fixture
def shop(tmp_path, monkeypatch):
    """The folder that the document describes."""
    monkeypatch.chdir(tmp_path)
    before = set(DatasetCatalog.list())
    (json_text,) = blocks("json")
    Path("shop").mkdir()
    Path("shop/train.json").write_text(json_text)
    for image in json.loads(json_text)["images"]:
        draw_frame(Path("shop/frames") / image["file_name"], (image["width"], image["height"]))
    sequence = Path("plaza/P-01")
    for frame in (1, 31, 61):
        draw_frame(sequence / "img1" / f"{frame:06d}.jpg", (320, 240))
    (sequence / "gt").mkdir()
    (sequence / "seqinfo.ini").write_text(blocks("ini")[0])
    (sequence / "gt" / "gt.txt").write_text(blocks("text")[0])
    for name, text in zip(["shop", "plaza"], blocks("yaml"), strict=True):
        Path(f"{name}.yaml").write_text(text.replace('_BASE_: "', f'_BASE_: "{ROOT}/'))
    yield tmp_path
    for name in set(DatasetCatalog.list()) - before:
        DatasetCatalog.remove(name)
        MetadataCatalog.remove(name)


def draw_frame(path, size):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.effect_noise(size, 40).convert("RGB").save(path)


def narrow(config_file):
    small = ["MODEL.ROI_BOX_HEAD.FC_DIM", 16, "MODEL.VGG.WIDTH_FACTOR", 0.0625, "TEST.SEARCH.USE_GT_BOXES", True]
    return load_config(config_file, [*map(str, small), "MODEL.DEVICE", "cpu", "OUTPUT_DIR", "output/shop"])


def test_mot_folders_are_trained_on_and_searched(shop):
    cfg = with_counted_pids(narrow("plaza.yaml"))
    model = build_model(cfg)
    with EventStorage():
        losses = model(next(iter(build_train_loader(cfg))))
    assert all(np.isfinite(float(loss.detach())) for loss in losses.values())
    results = INetTrainer.test(cfg, model)
    assert set(results) >= {"search", "detection"}
    protocol = load_protocol("plaza_test")
    # 1 is searched in frames 1 and 61, 60 apart; so is 2, who is visible enough for the test set in both.
    assert protocol.num_ground_truths.tolist() == [1, 1]
    (line,) = re.findall(r"`(register_mot\(.*?\))`", TEXT, re.S)
    exec(f"from inet_d2.data.datasets import register_mot; {line}".replace("plaza_test", "plaza_again"), {})
    np.testing.assert_array_equal(load_protocol("plaza_again").query_boxes, protocol.query_boxes)


def test_a_json_file_is_trained_on_searched_and_scored_again(shop, load_script):
    cfg = with_counted_pids(narrow("shop.yaml"))
    model = build_model(cfg)
    with EventStorage():
        losses = model(next(iter(build_train_loader(cfg))))
    assert all(np.isfinite(float(loss.detach())) for loss in losses.values())
    results = INetTrainer.test(cfg, model)
    (arguments,) = commands("tools/score_search.py")
    assert load_script("tools/score_search.py").main([*arguments, "--json", "scores.json"]) == 0
    again = json.loads(Path("scores.json").read_text())["search"]
    assert (again["2"]["mAP"], again["all"]["mAP"]) == (results["search"]["mAP"], results["search"]["mAP_all"])


def test_the_check_and_the_protocol_file(shop, load_script, capsys):
    # The page checks real sequences, too, which are not here.
    (arguments,) = [words for words in commands("tools/check_dataset.py") if "shop.yaml" in words]
    assert load_script("tools/check_dataset.py").main(arguments) == 0
    shown = capsys.readouterr().out
    assert "| shop_train | ids                  |         2 |           - |" in shown
    # Ada in three images and Bo in two.
    assert "| shop_train | pairs                |         4 |           - |" in shown
    assert "frames: 4 of 4 are readable" in shown

    (arguments,) = commands("tools/make_protocol.py")
    assert load_script("tools/make_protocol.py").main(arguments) == 0
    assert "| 2       |       2 |" in capsys.readouterr().out
    drawn = load_protocol("shop_test", 2)
    DatasetCatalog.remove("shop_test")
    MetadataCatalog.remove("shop_test")
    text = Path("shop.yaml").read_text()
    assert "CROSS_CAMERA: False, TIME_GAP: 50" in text
    Path("kept.yaml").write_text(text.replace("CROSS_CAMERA: False, TIME_GAP: 50", 'PROTOCOL: "shop/protocol.npz"'))
    load_config("kept.yaml")
    kept = load_protocol("shop_test", 2)
    np.testing.assert_array_equal(kept.entry_images, drawn.entry_images)
    np.testing.assert_array_equal(kept.query_boxes, drawn.query_boxes)


def test_the_lines_of_python(shop):
    (code,) = blocks("python")
    exec(code, {})
    load_config("shop.yaml")
    np.testing.assert_array_equal(load_protocol("yard_test").entry_images, load_protocol("shop_test").entry_images)
