import importlib.util

import cv2
import numpy as np
import pytest
import torch
import yaml

from inet_d2.engine import INetTrainer, load_config
from places import config_path

CONFIG = config_path("quick_schedules/inet_instant_test.yaml")
CROPS = config_path("quick_schedules/crops_instant_test.yaml")


@pytest.fixture(scope="module")
def module(tool):
    return tool("export_model")


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Of the model of crops and, by name, of the one that detects."""
    folder = tmp_path_factory.mktemp("weights")
    torch.manual_seed(0)
    for name, config in (("inet", CONFIG), ("crops", CROPS)):
        model = INetTrainer.build_model(load_config(config, ["MODEL.WEIGHTS", "", "MODEL.DEVICE", "cpu"]))
        torch.save({"model": model.state_dict()}, folder / f"{name}.pth")
    return folder


def test_files_are_written_and_held_against_the_model(module, weights, tmp_path, capsys):
    picture = tmp_path / "a.png"
    cv2.imwrite(str(picture), np.random.default_rng(0).integers(0, 256, (150, 100, 3), np.uint8))
    folder = tmp_path / "new" / "exported"
    words = ["--config-file", CONFIG, "--weights", str(weights / "inet.pth"), "--to", str(folder)]
    assert module.main([*words, "--format", "torchscript", "--picture", str(picture)]) == 0
    assert sorted(path.name for path in folder.iterdir()) == [
        "detector.ts", "detector.yaml", "embedder.ts", "embedder.yaml",
    ]  # fmt: skip
    described = yaml.safe_load((folder / "detector.yaml").read_text())
    assert described["kind"] == "whole_picture"
    assert (described["order"], described["resize"], described["min_size"]) == ("BGR", "detectron2", 120)
    shown = capsys.readouterr().out
    assert "torchscript    120 x 180 " in shown  # 100 x 150 pixels, the shorter side brought to 120
    assert "nobody was detected" not in shown


def test_a_model_of_crops_has_the_embedder_alone(module, weights, tmp_path, capsys):
    words = ["--config-file", CROPS, "--weights", str(weights / "crops.pth"), "--to", str(tmp_path)]
    assert module.main([*words, "--format", "torchscript"]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["embedder.ts", "embedder.yaml"]


def test_a_file_that_differs_is_not_left(module, weights, tmp_path, capsys, monkeypatch):
    export = importlib.import_module("inet_d2.export.export")
    real = export.model_outputs
    monkeypatch.setattr(
        export, "model_outputs", lambda *given: real(*given)._replace(scores=real(*given).scores + 0.01)
    )
    words = ["--config-file", CONFIG, "--weights", str(weights / "inet.pth"), "--to", str(tmp_path)]
    assert module.main([*words, "--format", "torchscript"]) == 2
    assert "detector.ts in torchscript: expected what the model gives" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_nobody_in_the_pictures_is_said(module, weights, tmp_path, capsys):
    words = ["--config-file", CONFIG, "--weights", str(weights / "inet.pth"), "--to", str(tmp_path)]
    options = ["--format", "torchscript", "MODEL.ROI_HEADS.SCORE_THRESH_TEST", "1.0"]
    assert module.main([*words, *options]) == 0
    assert "nobody was detected in these pictures" in capsys.readouterr().out


def test_a_picture_that_a_format_does_not_take_is_refused_before_the_work(module, weights, tmp_path, capsys):
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((4, 900, 3), np.uint8))
    words = ["--config-file", CONFIG, "--weights", str(weights / "inet.pth"), "--to", str(tmp_path / "new")]
    words += ["--format", "torchscript", "torch_export", "--picture", str(tmp_path / "a.png")]
    assert module.main(words) == 2
    shown = capsys.readouterr()
    assert "--format torch_export: expected images with sides of" in shown.err.splitlines()[-1]
    assert shown.out == ""


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--to", "{folder}", "--weights", "none.pth"], "none.pth"),
        (["--to", "{folder}", "--picture", "none.jpg"], "none.jpg"),
        (["--to", "{folder}/model.pth"], "--to: expected"),
        (["--to", "{folder}", "MODEL.NO", "1"], "command line: "),
        (["--to", "{folder}", "MODEL.ROI_HEADS.NUM_CLASSES", "2"], "expected 1, people, found 2"),
    ],
)
def test_input_that_does_not_fit_is_one_sentence(module, words, message, tmp_path, capsys):
    (tmp_path / "model.pth").touch()
    words = [word.format(folder=tmp_path) for word in words]
    assert module.main(["--config-file", CONFIG, "--format", "torchscript", *words]) == 2
    assert message in capsys.readouterr().err.splitlines()[-1]
    assert [path.name for path in tmp_path.iterdir()] == ["model.pth"]
