"""A model that tools/export_model.py wrote, through inet-search, beside the weights that it was made of."""

import json

import cv2
import numpy as np
import pytest
import torch
import yaml

from inet_d2.engine import INetTrainer, load_config
from inet_d2.export.description import describe
from inet_d2.export.export import export
from inet_d2.search import build_model_embedder, open_store
from inet_d2.search.commands.main import main
from inet_d2.search.onnx_contract import METADATA_KEY
from inet_d2.search.onnx_embedder import OnnxEmbedder
from places import config_path

pytest.importorskip("onnxruntime", reason="ONNX models need ONNX Runtime: pip install onnxruntime")
onnx = pytest.importorskip("onnx", reason="torch exports with onnx: pip install onnx")

CONFIG = config_path("quick_schedules/seqnet_instant_test.yaml")  # INPUT.RESIZE torchvision, confidence weights


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Folder with weights.pth, detector.onnx, embedder.onnx and their yaml."""
    folder = tmp_path_factory.mktemp("exported")
    cfg = load_config(CONFIG, ["MODEL.WEIGHTS", "", "MODEL.DEVICE", "cpu"])
    torch.manual_seed(0)
    torch.save({"model": INetTrainer.build_model(cfg).state_dict()}, folder / "weights.pth")
    embedder = build_model_embedder(cfg, weights=str(folder / "weights.pth"))
    fingerprint = embedder.description["fingerprint"]
    export(
        embedder.model, folder, ["onnx"], describe=lambda kind: describe(cfg, kind, fingerprint), images=[],
        report=lambda step: None,
    )  # fmt: skip
    return folder


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Three pictures of noise in blocks, wide and high, none of them at the model's size."""
    folder = tmp_path_factory.mktemp("pictures")
    generator = np.random.default_rng(0)
    for number, size in enumerate([(20, 30), (28, 21), (23, 23)]):
        blocks = generator.integers(0, 256, (*size, 3), np.uint8)
        cv2.imwrite(str(folder / f"{number}.png"), np.kron(blocks, np.ones((7, 7, 1), np.uint8)))
    return folder


def options(models):
    return ["--detector", str(models / "detector.onnx"), "--embedder", str(models / "embedder.onnx")]


def answers(index, picture, capsys):
    capsys.readouterr()
    command = ["query", str(index), "--image", str(picture), "--box", "10", "20", "60", "130", "--top", "8"]
    main([*command, "--all", "--json", "-"])
    return json.loads(capsys.readouterr().out)["found"]


def test_an_index_and_a_query_are_those_of_the_weights(models, pictures, tmp_path, capsys):
    weights = ["--config-file", CONFIG, "--weights", str(models / "weights.pth")]
    stores = {"weights": weights, "exported": options(models)}
    for name, model in stores.items():
        assert main(["index", str(pictures), "--to", str(tmp_path / name), "--min-score", "0.3", *model]) == 0
    people = {}
    for name in stores:
        with open_store(str(tmp_path / name)) as store:
            people[name] = store.count().people
    assert people["exported"] == people["weights"] > 8
    expected, found = (answers(tmp_path / name, pictures / "0.png", capsys) for name in stores)
    assert len(expected) == len(found) == 8
    for a, b in zip(expected, found, strict=True):
        assert a["path"] == b["path"]
        assert b["similarity"] == pytest.approx(a["similarity"], abs=1e-4)
        np.testing.assert_allclose(b["box"], a["box"], atol=0.05)


def carry(path, text):
    """Let a file carry another text."""
    model = onnx.load(str(path))
    onnx.helper.set_model_props(model, {METADATA_KEY: text})
    onnx.save(model, str(path))


def test_two_files_that_do_not_belong_together_are_refused(models, tmp_path):
    detector, embedder = str(models / "detector.onnx"), str(models / "embedder.onnx")
    with pytest.raises(ValueError, match=r"expected a model of kind given_boxes.*found whole_picture"):
        OnnxEmbedder(detector, detector)
    for file in ("embedder.onnx", "embedder.yaml"):
        (tmp_path / file).write_bytes((models / file).read_bytes())
    given = yaml.safe_load((tmp_path / "embedder.yaml").read_text())
    of_another = yaml.safe_dump({**given, "fingerprint": "0" * 16})
    (tmp_path / "embedder.yaml").write_text(of_another)
    with pytest.raises(
        ValueError, match=f"fingerprint {'0' * 16}.*found given_boxes and {given['fingerprint']} in the"
    ):
        OnnxEmbedder(detector, str(tmp_path / "embedder.onnx"))  # a later export in another format wrote this yaml
    carry(tmp_path / "embedder.onnx", of_another)
    with pytest.raises(ValueError, match=r"take the embedder\.onnx that was exported with the detector"):
        OnnxEmbedder(detector, str(tmp_path / "embedder.onnx"))
    (tmp_path / "embedder.yaml").write_text("{width: 4, height: 8}")
    with pytest.raises(ValueError, match=r"take the embedder\.onnx that was exported with the detector"):
        OnnxEmbedder(detector, str(tmp_path / "embedder.onnx"))
    (tmp_path / "embedder.yaml").write_text(yaml.safe_dump({**given, "order": "GRB"}))
    with pytest.raises(ValueError, match="order: expected RGB or BGR, found 'GRB'"):
        OnnxEmbedder(detector, str(tmp_path / "embedder.onnx"))
    (tmp_path / "embedder.yaml").write_text(yaml.safe_dump({**given, "confidence_weight": "maybe"}))
    with pytest.raises(ValueError, match="confidence_weight: expected true or false, found 'maybe'"):
        OnnxEmbedder(detector, str(tmp_path / "embedder.onnx"))
    OnnxEmbedder(detector, embedder)


def test_a_file_under_another_name_is_refused(models, tmp_path):
    (tmp_path / "detector.onnx").write_bytes((models / "embedder.onnx").read_bytes())
    (tmp_path / "detector.yaml").write_bytes((models / "detector.yaml").read_bytes())
    with pytest.raises(ValueError, match=r"expected a model of kind whole_picture .*found given_boxes and"):
        OnnxEmbedder(str(tmp_path / "detector.onnx"), str(models / "embedder.onnx"))
    carry(tmp_path / "detector.onnx", "no mapping")
    with pytest.raises(ValueError, match=r"expected a model of kind whole_picture .*found None and None"):
        OnnxEmbedder(str(tmp_path / "detector.onnx"), str(models / "embedder.onnx"))


def test_an_exported_embedder_serves_another_detector(models, tmp_path):
    """Boxes of a detector without embeddings are embedded as given boxes are."""
    for suffix in (".onnx", ".yaml"):
        (tmp_path / f"foreign{suffix}").write_bytes((models / f"detector{suffix}").read_bytes())
    text = "{width: 160, height: 120, order: BGR, std: [1, 1, 1], output: boxes, nms_iou: 1}"
    (tmp_path / "foreign.yaml").write_text(text)
    both = OnnxEmbedder(str(tmp_path / "foreign.onnx"), str(models / "embedder.onnx"))
    picture = np.random.default_rng(0).integers(0, 256, (120, 160, 3), np.uint8)
    (people,) = both.detect([both.prepare(picture)])
    assert len(people.boxes) > 3
    np.testing.assert_allclose(people.embeddings, both.embed(picture, people.boxes))
