import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).parents[1] / "conversion"
SPEC = importlib.util.spec_from_file_location("test_peers", FOLDER / "test_peers.py")
peers = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(peers)
ABOUT = {
    "kind": "nae", "min_size": 64, "max_size": 96, "post_nms_topk_test": 12, "num_pids": 6, "queue_size": 7,
}  # fmt: skip


@pytest.fixture(scope="module")
def recording(tool, tmp_path_factory):
    """A recording of this project itself, with weights of a rule."""
    entries = peers.peers_entries(peers.build(peers.NAE), peers.NAE)
    tensors = {name: {"shape": list(value.shape), "offset": 0.5, "scale": 0.4} for name, value in entries.items()}
    for name, value in entries.items():
        if name.endswith("weight") and value.dim() > 1:
            tensors[name].update(offset=0.0, scale=(3 / value[0].numel()) ** 0.5)
        elif name.endswith("num_batches_tracked"):
            tensors[name].update(offset=3, dtype="int64")
    content = {"about": json.dumps(ABOUT), "weights": json.dumps({"seed": 1, "tensors": tensors})}
    content["0/image"] = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    content["0/query_boxes"] = np.array([[10.0, 10.0, 40.0, 55.0]], dtype=np.float32)
    module = tool("compare_recording")
    model, mapper = module.load_model({key: np.array(value) for key, value in content.items()}, peers.NARROW)
    found = module.results_of(model, mapper, content["0/image"], content["0/query_boxes"])
    keys = {"input": "input_8th", "res4": "res4_32th"}
    content |= {f"0/{keys.get(name, name)}": value.numpy() for name, value in found.items()}
    content |= training_step(module, content)
    path = tmp_path_factory.mktemp("recording") / "recording.npz"
    np.savez(path, **content)
    return path, content


def training_step(module, content):
    """What a recording has of a training step, made by the project itself."""
    step = {
        "train/0/gt_boxes": np.array([[10.0, 10.0, 40.0, 55.0], [45.0, 5.0, 70.0, 50.0]], dtype=np.float32),
        "train/0/gt_labels": np.array([2, 5555]),
        "train/0/proposals": np.array([[9.0, 12.0, 44.0, 60.0], [0.0, 0.0, 20.0, 20.0]], dtype=np.float32),
        "train/weight_loss_detection": np.array(1.0),
        "train/weight_loss_box_reg": np.array(10.0),
        "train/weight_loss_reid": np.array(1.0),
    }
    recording = {key: np.array(value) for key, value in (content | step).items()}
    model, mapper = module.load_model(recording, peers.NARROW)
    losses = {name: loss.item() for name, loss in module.step_of(model, mapper, recording).items()}
    step["train/loss_detection"] = np.array(losses["loss_cls"])
    step["train/loss_box_reg"] = np.array(losses["loss_box_reg"] / 10)
    step["train/loss_reid"] = np.array(losses["loss_oim"])
    gradient = model.roi_heads.reid_head.rescaler.weight.grad
    step["train/gradient/roi_heads.embedding_head.rescaler.weight"] = np.array([gradient.norm(), 0.0, 0.0])
    running_mean = model.backbone.stem.conv1.norm.running_mean.numpy()
    return step | {"train/buffer/backbone.bn1.running_mean": running_mean}


def test_equal_results_are_equal(tool, recording, capsys):
    path, content = recording
    assert len(content["0/proposals"]) > 3
    assert tool("compare_recording").main([str(path), "--picture", "0", *peers.NARROW]) == 0
    out = capsys.readouterr().out
    assert "picture 0" in out
    assert "training step" not in out
    assert tool("compare_recording").main([str(path), *peers.NARROW]) == 0
    out += capsys.readouterr().out
    assert "training step" in out
    assert "TOO FAR" not in out


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("0/proposals", "proposals"),
        ("0/query_embeddings", "query_embeddings"),
        ("train/loss_reid", "loss_oim"),
        ("train/weight_loss_box_reg", "loss_box_reg"),
        ("train/gradient/roi_heads.embedding_head.rescaler.weight", "gradient"),
        ("train/buffer/backbone.bn1.running_mean", "buffer"),
    ],
)
def test_a_difference_shows(key, name, tool, recording, tmp_path, capsys):
    path, content = tmp_path / "other.npz", recording[1]
    np.savez(path, **{**content, key: content[key] + 0.1})
    assert tool("compare_recording").main([str(path), *peers.NARROW]) == 1
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines() if "TOO FAR" in line] == [name]


def test_what_is_no_recording_is_refused(tool, tmp_path, capsys):
    main = tool("compare_recording").main
    assert main([str(tmp_path / "none.npz")]) == 2
    assert "does not exist; give a recording" in capsys.readouterr().err
    np.savez(tmp_path / "other.npz", a=np.zeros(1))
    assert main([str(tmp_path / "other.npz")]) == 2
    assert "expected the entries about and weights, found a" in capsys.readouterr().err
