"""The last step of the demo: index, query, sheet, and the command for the page."""

import sys

import pytest
import torch
from detectron2.modeling import build_model

from inet_d2.engine import load_config
from inet_d2.search import open_store
from places import config_path


@pytest.fixture
def module(load_script):
    return load_script("demo/run_demo.py")


def test_search_leaves_an_index_and_a_sheet(module, tiny_scenes, tmp_path):
    """Untrained weights: what is found means nothing, but all parts fit together."""
    (tmp_path / "inet").mkdir()
    opts = ["MODEL.VGG.WIDTH_FACTOR", "0.125", "MODEL.ROI_HEADS.SCORE_THRESH_TEST", "0.0", "MODEL.DEVICE", "cpu"]
    demo = module.Demo(tmp_path, opts)
    demo.datasets = tiny_scenes
    torch.manual_seed(0)
    torch.save({"model": build_model(load_config(config_path("demo/inet.yaml"), opts)).state_dict()}, demo.weights)
    demo.search()
    assert (tmp_path / "search.png").stat().st_size > 10_000
    with open_store(str(demo.index), read_only=True) as store:
        assert store.count().sources == len(list((tiny_scenes / "CUHK-SYSU/Image/SSM").glob("*.jpg")))


def test_the_command_for_the_page(module, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    assert module.page_command("a b") == f"{tmp_path}/python -m inet_d2.search.commands.main serve 'a b'"
    (tmp_path / "inet-search").touch()
    assert module.page_command("x.index") == f"{tmp_path}/inet-search serve x.index"
