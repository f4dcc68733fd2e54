"""Re-identification through train_net.py: trained on crops, evaluated on queries and gallery."""

import json

import pytest

from crop_copies import write_market
from inet_d2.engine import INetTrainer, load_config
from places import config_path


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("DETECTRON2_DATASETS", str(tmp_path))
    return write_market(tmp_path)


def test_training_on_crops_and_the_figures_of_queries(folder, tmp_path):
    options = ["OUTPUT_DIR", str(tmp_path / "run"), "SOLVER.MAX_ITER", "60", "MODEL.VGG.WIDTH_FACTOR", "0.0625"]
    trainer = INetTrainer(load_config(config_path("quick_schedules/reid_instant_test.yaml"), options))
    trainer.train()
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    assert results["reid"]["queries"] == 5
    # Two of sixteen are right; these people have colours of their own.
    assert results["reid"]["mAP"] > 40
    assert set(results) == {"reid", "reid_reranked", "reid_single_shot"}
    assert (tmp_path / "run/inference/market1501_query/embeddings.npz").is_file()


def test_a_missing_data_set_is_said_before_training(folder, tmp_path):
    (folder / "bounding_box_test").rename(folder / "elsewhere")
    cfg = load_config(config_path("quick_schedules/reid_instant_test.yaml"), ["OUTPUT_DIR", str(tmp_path / "run")])
    with pytest.raises(FileNotFoundError, match=r"market1501: the folder .*bounding_box_test does not exist"):
        INetTrainer(cfg)
