import pickle

import detectron2
import numpy as np
import pytest
import torch
from detectron2.checkpoint import DetectionCheckpointer
from torch import nn

lite_only = pytest.mark.skipif(not hasattr(detectron2, "__d2lite__"), reason="the embedded engine's own behaviour")


def model():
    return nn.ModuleDict(
        {"backbone": nn.ModuleDict({"stem": nn.Linear(2, 1)}), "head": nn.Linear(1, 3), "end": nn.Linear(3, 1)}
    )


def test_save_and_load(tmp_path):
    source, target = model(), model()
    checkpointer = DetectionCheckpointer(source, str(tmp_path), optimizer=torch.optim.SGD(source.parameters(), lr=7.0))
    checkpointer.save("model_a", iteration=3)
    assert (tmp_path / "last_checkpoint").read_text() == "model_a.pth"
    other = torch.optim.SGD(target.parameters(), lr=1.0)
    resumed = DetectionCheckpointer(target, str(tmp_path), optimizer=other).resume_or_load("", resume=True)
    assert resumed["iteration"] == 3
    assert other.param_groups[0]["lr"] == 7.0
    assert torch.equal(source["head"].weight, target["head"].weight)
    torch.save({"head.bias": torch.ones(3), "head.weight": torch.ones(4, 1)}, tmp_path / "raw.pth")
    DetectionCheckpointer(target).load(str(tmp_path / "raw.pth"))
    assert target["head"].bias.tolist() == [1, 1, 1]
    assert torch.equal(source["head"].weight, target["head"].weight)  # another shape is skipped
    with pytest.raises(AssertionError, match="not found"):
        DetectionCheckpointer(target).load(str(tmp_path / "absent.pth"))


def test_names_are_matched_by_suffix(tmp_path):
    weights = {"stem.weight": np.full((1, 2), 5.0, "float32"), "stem.bias": np.zeros(1, "float32")}
    with open(tmp_path / "w.pkl", "wb") as f:
        pickle.dump({"model": weights, "__author__": "me", "matching_heuristics": True}, f)
    torch.save({"model": {k: torch.from_numpy(v) for k, v in weights.items()}}, tmp_path / "w.pth")
    for name in ("w.pkl", "w.pth?matching_heuristics=True"):
        target = model()
        DetectionCheckpointer(target).load(str(tmp_path / name))
        assert target["backbone"]["stem"].weight.tolist() == [[5.0, 5.0]]
    torch.save({"model": {"bias": torch.zeros(1)}}, tmp_path / "twice.pth")
    with pytest.raises(ValueError, match="Cannot match one checkpoint key"):
        DetectionCheckpointer(model()).load(str(tmp_path / "twice.pth?matching_heuristics=True"))


@lite_only
def test_caffe2_weights_and_a_second_try(tmp_path):
    with open(tmp_path / "caffe2.pkl", "wb") as f:
        pickle.dump({"conv1_w": np.zeros(1)}, f)
    checkpointer = DetectionCheckpointer(model(), str(tmp_path))
    with pytest.raises(NotImplementedError, match="full Detectron2"):
        checkpointer.load(str(tmp_path / "caffe2.pkl"))
    assert checkpointer.load("") == {}
