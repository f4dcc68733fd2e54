"""SeqNet's heads through the scripts: trained, converted from the peer's names, evaluated, I-Net's losses on them."""

import importlib.util
import json
from pathlib import Path

import pytest
import torch

from places import config_path

SPEC = importlib.util.spec_from_file_location("test_peers", Path(__file__).parent / "conversion/test_peers.py")
peers = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(peers)
SEQNET = config_path("quick_schedules/seqnet_instant_test.yaml")


@pytest.fixture(scope="module")
def trained(tiny_scenes, tmp_path_factory, run_script):
    """A folder with seqnet/, three iterations old."""
    folder = tmp_path_factory.mktemp("strong_chain")
    env = {"DETECTRON2_DATASETS": str(tiny_scenes)}
    run_script("train_net.py", "--config-file", SEQNET, "OUTPUT_DIR", folder / "seqnet", env=env)
    return folder


def lines_of(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_training_logs_both_heads(trained):
    keys = set().union(*lines_of(trained / "seqnet/metrics.json"))
    assert {"loss_oim", "loss_cls", "loss_cls_second", "loss_box_reg_second", "second/roi_head/num_fg_samples"} <= keys
    assert {"search/mAP", "detection/AP"} <= keys


def test_a_checkpoint_with_the_peers_names_gives_the_same_figures(trained, tiny_scenes, run_script, load_script):
    env = {"DETECTRON2_DATASETS": str(tiny_scenes)}
    weights = torch.load(trained / "seqnet/model_final.pth", weights_only=True)["model"]
    state = {name: torch.as_tensor(value) for name, value in weights.items()}
    holder = torch.nn.Module()
    holder.state_dict = lambda: state
    torch.save({"model": peers.peers_entries(holder, peers.SEQNET)}, trained / "theirs.pth")
    convert = load_script("tools/convert_weights.py").main
    assert convert([str(trained / "theirs.pth"), str(trained / "ours.pth"), "--config-file", SEQNET]) == 0
    run_script(
        "train_net.py", "--config-file", SEQNET, "--eval-only", "MODEL.WEIGHTS", trained / "ours.pth",
        "OUTPUT_DIR", trained / "converted", env=env,
    )  # fmt: skip
    expected, found = (json.loads((trained / name / "results.json").read_text()) for name in ("seqnet", "converted"))
    assert found == expected


def test_inets_losses_train_on_these_heads(trained, tiny_scenes, run_script):
    run_script(
        "train_net.py", "--config-file", config_path("quick_schedules/inet_seqnet_instant_test.yaml"),
        "MODEL.WEIGHTS", trained / "seqnet/model_final.pth", "OUTPUT_DIR", trained / "inet",
        env={"DETECTRON2_DATASETS": str(tiny_scenes)},
    )  # fmt: skip
    keys = set().union(*lines_of(trained / "inet/metrics.json"))
    assert {"loss_olp", "loss_hep", "reid/dictionary_fill", "search/mAP"} <= keys
    assert "loss_oim" not in keys
