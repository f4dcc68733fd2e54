"""A detector and an embedder as ONNX files, exported here by torch, through inet-search."""

import json
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from inet_d2.search.commands.main import main
from inet_d2.search.onnx_embedder import OnnxEmbedder

pytest.importorskip("onnxruntime", reason="ONNX models need ONNX Runtime: pip install onnxruntime")
pytest.importorskip("onnx", reason="torch exports with onnx: pip install onnx")

PLACES = torch.tensor([[6.0, 12.0, 18.0, 52.0], [28.0, 12.0, 40.0, 52.0], [50.0, 12.0, 62.0, 52.0]])


class PlaceDetector(nn.Module):
    """Looks for people of 12 x 40 pixels at the three places of the tests' pictures; YOLO's form of output."""

    def forward(self, image):
        bright = (image.amax(dim=1, keepdim=True) > 0.25).float()
        share = nn.functional.avg_pool2d(bright, (40, 12), stride=1)
        scores = torch.stack([share[:, 0, 12, int(x)] for x in PLACES[:, 0]], dim=1)
        centres, sides = (PLACES[:, :2] + PLACES[:, 2:]) / 2, PLACES[:, 2:] - PLACES[:, :2]
        boxes = torch.cat([centres, sides], dim=1).T[None]
        rows = torch.cat([boxes, scores[:, None], 0 * scores[:, None]], dim=1)
        return torch.cat([rows, torch.zeros(1, 6, 30)], dim=2)  # (1, 4 + 2 classes, anchors)


class ColourEmbedder(nn.Module):
    def forward(self, crops):
        return crops.mean(dim=(2, 3)) * 7  # inet-search makes its length 1


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("onnx")

    def export(model, name, size, dynamic, text):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.onnx.export(
                model.eval(), torch.zeros(1, 3, *size), str(folder / f"{name}.onnx"), input_names=["image"],
                output_names=["out"], dynamic_axes=dynamic, dynamo=False,
            )  # fmt: skip
        (folder / f"{name}.yaml").write_text(text)

    export(PlaceDetector(), "detector", (64, 96), None, "{width: 96, height: 64, fit: letterbox, output: yolov8}")
    export(ColourEmbedder(), "embedder", (8, 4), {"image": {0: "n"}}, "{width: 4, height: 8, mean: [0, 0, 0]}")
    export(ColourEmbedder(), "fixed", (8, 4), None, "{width: 4, height: 8, mean: [0, 0, 0], std: [1, 1, 1]}")
    return folder


def options(models, embedder="embedder"):
    return ["--detector", str(models / "detector.onnx"), "--embedder", str(models / f"{embedder}.onnx")]


def test_people_are_found_and_embedded(models, make):
    embedder = OnnxEmbedder(str(models / "detector.onnx"), str(models / "fixed.onnx"))
    picture = make.picture(make.red, None, make.blue)
    (people,) = embedder.detect([embedder.prepare(picture)])
    order = np.argsort(people.boxes[:, 0])
    np.testing.assert_allclose(people.boxes[order], [[6, 12, 18, 52], [50, 12, 62, 52]])
    expected = np.array([make.red, make.blue]) / np.linalg.norm([make.red, make.blue], axis=1, keepdims=True)
    np.testing.assert_allclose(people.embeddings[order], expected, atol=1e-5)
    (nobody,) = embedder.detect([embedder.prepare(make.picture())])
    assert nobody.embeddings.shape == (0, 3)
    large = embedder.detect([embedder.prepare(np.kron(picture, np.ones((2, 2, 1), np.uint8)))])[0]
    np.testing.assert_allclose(np.sort(large.boxes[:, 0]), [12, 100])


def test_a_batch_equals_one_by_one(models, make):
    dynamic, fixed = (
        OnnxEmbedder(str(models / "detector.onnx"), str(models / f"{e}.onnx")) for e in ("embedder", "fixed")
    )
    picture, boxes = make.picture(make.red, make.green, make.blue), np.tile(PLACES.numpy(), (7, 1))
    one = dynamic.embed(picture, boxes)
    assert one.shape == (21, 3)
    np.testing.assert_allclose(np.linalg.norm(one, axis=1), 1, rtol=1e-5)
    # the same colours, weighed by other deviations
    assert (fixed.embed(picture, boxes) @ one.T).argmax(axis=1).tolist() == [0, 1, 2] * 7


def test_from_the_command_line(models, photos, make, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["index", "photos", "--to", "an.index", *options(models)]) == 0
    make.write(tmp_path / "q.png", None, make.blue)
    capsys.readouterr()
    assert main(["query", "an.index", "--image", "q.png", "--top", "1", "--json", "-"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["found"][0]["path"].endswith(("blue.png", "both.png"))
    assert main(["index", "photos", "--to", "an.index"]) == 0  # the index knows its models
    contract = models / "embedder.yaml"
    before = contract.read_text()
    contract.write_text(before.replace("[0, 0, 0]", "[1, 0, 0]"))
    try:
        assert main(["query", "an.index", "--image", "q.png"]) == 2
        assert "the index was made with other files" in capsys.readouterr().err
    finally:
        contract.write_text(before)


def test_options_of_another_kind_of_model_are_not_ignored(models, photos, make, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    make.write(tmp_path / "q.png", None, make.blue)
    command = ["index", "photos", "--to", "an.index"]
    for words in (["--weights", "w.pth"], ["--precision", "fp32"], ["--opts", "INPUT.MIN_SIZE_TEST", "100"]):
        assert main([*command, *options(models), *words]) == 2
        assert f"{words[0]}: expected none with --detector" in capsys.readouterr().err
    assert not Path("an.index").exists()
    assert main([*command, *options(models)]) == 0
    for words in (["--weights", "w.pth"], ["--precision", "bf16"], ["--opts", "INPUT.MIN_SIZE_TEST", "100"]):
        assert main([*command, *words]) == 2
        assert f"{words[0]}: expected" in capsys.readouterr().err
    assert main(["query", "an.index", "--image", "q.png", "--weights", "w.pth"]) == 2
    assert "--weights: expected none, for the index was made with" in capsys.readouterr().err


def test_wrong_files_are_sentences(models, photos, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for text, name in (("no model", "text"), (None, "none")):
        if text:
            (tmp_path / f"{name}.onnx").write_text(text)
            (tmp_path / f"{name}.yaml").write_text("{width: 4, height: 8}")
        command = ["index", "photos", "--to", "a.index", "--detector", f"{name}.onnx", *options(models)[2:]]
        assert main(command) == 2
    shown = capsys.readouterr().err
    assert "text.onnx is no ONNX model" in shown
    assert "none.onnx: no such file" in shown
    assert main(["index", "photos", "--to", "a.index", *options(models)[:2]]) == 2
    assert "--detector and --embedder go together" in capsys.readouterr().err
    (models / "wide.onnx").write_bytes((models / "detector.onnx").read_bytes())
    (models / "wide.yaml").write_text("{width: 50, height: 64, output: yolov8}")
    assert (
        main(["index", "photos", "--to", "a.index", "--detector", str(models / "wide.onnx"), *options(models)[2:]]) == 2
    )
    assert "does not take an input (1, 3, 64, 50)" in capsys.readouterr().err
