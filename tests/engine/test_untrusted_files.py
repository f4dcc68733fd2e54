"""A file of another's that would run code does not, whichever door it comes by."""

import io
import os
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from inet_d2.conversion.reading import read_weights
from inet_d2.data.datasets.protocol_file import read_protocol_file
from inet_d2.data.saved_boxes import load_saved_boxes
from inet_d2.engine import RunCheckpointer, check_weights, load_config
from inet_d2.engine.checkpoint_file import read_checkpoint
from inet_d2.evaluation.predictions import SearchPredictions
from inet_d2.search.embedder import build_model_embedder
from places import config_path


class Touch:
    """Makes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.fixture
def marker(tmp_path):
    """What must not appear."""
    path = tmp_path / "code_has_run"
    yield path
    assert not path.exists()


@pytest.fixture
def evil(tmp_path, marker):
    """evil(name, kind): weights that would run code, as a bare pickle, or as either format of torch.save."""

    def make(name, kind="pickle"):
        state = {"model": {"0.weight": torch.zeros(3, 2), "0.bias": Touch(marker)}, "__author__": "Zoo"}
        stream = io.BytesIO()
        if kind == "pickle":
            pickle.dump({**state, "model": {"0.bias": Touch(marker)}}, stream, protocol=2)
        else:
            torch.save(state, stream, _use_new_zipfile_serialization=kind == "zip")
        (tmp_path / name).write_bytes(stream.getvalue())
        return str(tmp_path / name)

    return make


@pytest.fixture
def model():
    return nn.Sequential(nn.Linear(2, 3))


def test_the_trap_works(evil, marker):
    for kind, load in (("pickle", np.load), ("zip", torch.load), ("legacy", torch.load)):
        options = {"allow_pickle": True} if load is np.load else {"weights_only": False}
        load(evil("a", kind), **options)
        marker.rmdir()


@pytest.mark.parametrize("kind", ["pickle", "zip", "legacy"])
@pytest.mark.parametrize("name", ["a.pkl", "a.pth", "a.pyth", "a.bin", "a", "a.pth?matching_heuristics=True"])
def test_weights(evil, model, name, kind):
    path = evil(name.partition("?")[0], kind) + name[len(name.partition("?")[0]) :]
    with pytest.raises(ValueError, match=r"MODEL\.WEIGHTS: .*(could run code|cannot be read \(it contains|found a)"):
        check_weights(model, path, complete=False)
    with pytest.raises(ValueError, match=r"could run code|cannot be read \(it contains|found a"):
        RunCheckpointer(model).load(path.partition("?")[0])


@pytest.mark.parametrize("kind", ["pickle", "zip", "legacy"])
def test_what_the_tools_read(evil, kind):
    with pytest.raises(ValueError, match="could run code"):
        read_checkpoint(evil("bad_batch_0.pth", kind))
    for name in ("published.pkl", "published.pth"):
        with pytest.raises(ValueError, match=r"cannot be read|found a int"):
            read_weights(Path(evil(name, kind)))


@pytest.mark.parametrize("tag", ["a.pkl", "../a.pkl", "../a.pth", "{}/a.pth", "a.pth"])
def test_the_last_checkpoint(evil, model, tmp_path, tag):
    folder = tmp_path / "run"
    folder.mkdir()
    for place in ("", "run/"):
        evil(f"{place}a.pkl"), evil(f"{place}a.pth", "zip")
    (folder / "last_checkpoint").write_text(tag.format(tmp_path))
    with pytest.raises(ValueError, match=r"no \.pth file of this folder|could run code"):
        RunCheckpointer(model, str(folder)).get_checkpoint_file()


def test_the_last_checkpoint_of_a_search(evil, tmp_path):
    (tmp_path / "run").mkdir()
    evil("a.pkl")
    (tmp_path / "run" / "last_checkpoint").write_text("../a.pkl")
    options = ["OUTPUT_DIR", str(tmp_path / "run")]
    cfg = load_config(config_path("quick_schedules/inet_instant_test.yaml"), options)
    with pytest.raises(ValueError, match=r"names '\.\./a\.pkl', which is no \.pth file of this folder"):
        build_model_embedder(cfg)


TAGS = ["!!python/object/apply:os.mkdir ['{}']", "!!python/object/new:os.mkdir ['{}']", "!!python/name:os.mkdir ''"]


@pytest.mark.parametrize("tag", TAGS)
@pytest.mark.parametrize("base", [None, '"evil.yaml"', '["good.yaml", "evil.yaml"]'])
def test_configurations(tmp_path, marker, tag, base):
    (tmp_path / "evil.yaml").write_text(f"VERSION: 2\nOUTPUT_DIR: {tag.format(marker)}\n")
    (tmp_path / "good.yaml").write_text("VERSION: 2\nSEED: 3\n")
    path = tmp_path / "evil.yaml"
    if base is not None:
        path = tmp_path / "over.yaml"
        path.write_text(f"_BASE_: {base}\nVERSION: 2\n")
    with pytest.raises(ValueError, match=r"\.yaml: could not determine a constructor for the tag"):
        load_config(str(path))


def test_values_of_the_command_line(marker):
    with pytest.raises(ValueError, match="command line: "):
        load_config("", ["SOLVER.BASE_LR", f"__import__('os').mkdir('{marker}')"])


def test_arrays(tmp_path, marker):
    path = tmp_path / "a.npz"
    with zipfile.ZipFile(path, "w") as file:
        for name in ("gallery_names", "gallery_counts", "gallery_boxes", "gallery_scores", "sizes", "query_names",
                     "gallery_embeddings", "query_boxes", "query_embeddings"):  # fmt: skip
            stream = io.BytesIO()
            np.save(stream, np.array([Touch(marker)], dtype=object), allow_pickle=True)
            file.writestr(f"{name}.npy", stream.getvalue())
    for read in (SearchPredictions.load, load_saved_boxes, lambda path: read_protocol_file(path, 0)):
        with pytest.raises(ValueError, match=r"a\.npz: .*Object arrays cannot be loaded"):
            read(path)
