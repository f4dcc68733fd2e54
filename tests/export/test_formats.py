"""Files of every format, run again on pictures of other sizes than the exporter saw."""

import importlib.util

import numpy as np
import pytest
import torch

from inet_d2.export.comparison import compare, compare_rows, model_embeddings, model_outputs
from inet_d2.export.formats import FORMATS, check_size, write_graph
from inet_d2.export.graphs import GivenBoxes, WholePicture
from inet_d2.export.runtimes import open_graph, runtimes_of
from inet_d2.search.onnx_contract import METADATA_KEY

NEEDS_ONNX = pytest.mark.skipif(
    not (importlib.util.find_spec("onnx") and importlib.util.find_spec("onnxruntime")),
    reason="ONNX files need onnx and onnxruntime: pip install onnx onnxruntime",
)

NEEDS_NEW_TORCH = pytest.mark.skipif(
    tuple(map(int, torch.__version__.split(".")[:2])) < (2, 15),
    reason="torch.export of 2.11 keeps the sides of some models open, that of 2.4 of none",
)


# torch.export takes some seconds for each graph, so it is tried on one model; tools/export_model.py checks each file.
@pytest.mark.parametrize(
    ("name", "kind"),
    [("inet", "torchscript"), ("seqnet", "torchscript")]
    + [pytest.param(name, "onnx", marks=NEEDS_ONNX) for name in ("inet", "seqnet", "fpn")]
    + [pytest.param("inet", "torch_export", marks=NEEDS_NEW_TORCH)],
)
def test_a_file_does_what_the_model_does(name, kind, make_model, images, tmp_path):
    model = make_model(name)
    suffix = FORMATS[kind][0]
    whole, given = tmp_path / f"detector{suffix}", tmp_path / f"embedder{suffix}"
    write_graph(whole, kind, WholePicture(model).eval(), "a text")
    write_graph(given, kind, GivenBoxes(model).eval(), "a text")
    images = images[:2] if kind == "torch_export" else images  # which takes no picture of a few rows
    boxes = np.array([[3, 1, 20, 8], [0, 0, 60, 80]], np.float32)
    assert runtimes_of(whole)
    for runtime in runtimes_of(whole):
        detect, embed = open_graph(whole, runtime), open_graph(given, runtime)
        for image in images:
            found = compare(model_outputs(model, image), detect(image))
            assert found.fit(100), (runtime, image.shape, found)
            for count in (2, 1, 0):
                found = compare_rows(model_embeddings(model, image, boxes[:count]), embed(image, boxes[:count])[0])
                assert found.fit(100), (runtime, image.shape, found)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("seqnet", "torchscript"),
        pytest.param("seqnet", "onnx", marks=NEEDS_ONNX),
        pytest.param("inet", "torch_export", marks=NEEDS_NEW_TORCH),
    ],
)
def test_nobody_is_an_answer(name, kind, make_model, images, tmp_path):
    path = tmp_path / f"none{FORMATS[kind][0]}"
    write_graph(path, kind, WholePicture(make_model(name, "MODEL.ROI_HEADS.SCORE_THRESH_TEST", 1.0)).eval(), "")
    for runtime in runtimes_of(path):
        assert [x.shape for x in open_graph(path, runtime)(images[0])] == [(0, 4), (0,), (0, 16)]


def test_a_torchscript_file_carries_its_description(make_model, tmp_path):
    write_graph(tmp_path / "a.ts", "torchscript", GivenBoxes(make_model("inet")).eval(), "order: BGR")
    carried = {METADATA_KEY: ""}
    torch.jit.load(str(tmp_path / "a.ts"), _extra_files=carried)
    assert carried[METADATA_KEY] in (b"order: BGR", "order: BGR")


@NEEDS_NEW_TORCH
def test_a_torch_export_file_carries_its_description(make_model, tmp_path):
    write_graph(tmp_path / "a.pt2", "torch_export", GivenBoxes(make_model("inet")).eval(), "order: BGR")
    carried = {METADATA_KEY: ""}
    torch.export.load(str(tmp_path / "a.pt2"), extra_files=carried)
    assert carried[METADATA_KEY] == "order: BGR"


@pytest.mark.parametrize("error", [RuntimeError("Constraints violated (height, width)!\nMore"), AssertionError()])
def test_a_torch_that_cannot_is_a_sentence(error, make_model, tmp_path, monkeypatch):
    def refuse(*given, **options):
        raise error

    monkeypatch.setattr(torch.export, "export", refuse)
    with pytest.raises(ValueError, match=r"cannot keep height and width .* open; take torch 2\.15, or another format"):
        write_graph(tmp_path / "a.pt2", "torch_export", GivenBoxes(make_model("inet")).eval(), "")


@NEEDS_ONNX
def test_an_onnx_file_names_its_inputs_and_carries_its_description(make_model, tmp_path):
    import onnxruntime

    write_graph(tmp_path / "a.onnx", "onnx", WholePicture(make_model("inet")).eval(), "order: BGR")
    session = onnxruntime.InferenceSession(str(tmp_path / "a.onnx"))
    assert [(x.name, x.shape) for x in session.get_inputs()] == [("image", [1, 3, "height", "width"])]
    assert [x.name for x in session.get_outputs()] == ["boxes", "scores", "embeddings"]
    assert session.get_modelmeta().custom_metadata_map == {METADATA_KEY: "order: BGR"}


def test_sides_that_torch_export_does_not_take_are_refused():
    # Least: twice the coarsest stride of 16.
    for size in ((32, 8192), (8192, 32)):
        check_size("torch_export", 16, size)
    for size, shown in (((31, 40), "40 x 31"), ((40, 31), "31 x 40"), ((32, 8193), "8193 x 32")):
        with pytest.raises(ValueError, match=f"sides of 32 to 8192 pixels.*found {shown}"):
            check_size("torch_export", 16, size)
        check_size("onnx", 16, size)
