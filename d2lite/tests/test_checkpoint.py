import pickle

import numpy as np
import pytest
import torch
from detectron2.checkpoint import DetectionCheckpointer
from torch import nn


def model():
    return nn.ModuleDict({"backbone": nn.ModuleDict({"stem": nn.Linear(2, 1)}), "head": nn.Linear(1, 1)})


def test_save_and_load(tmp_path):
    source, target = model(), model()
    optimizers = [torch.optim.SGD(source.parameters(), lr=7.0), torch.optim.SGD(target.parameters(), lr=1.0)]
    DetectionCheckpointer(source, str(tmp_path), optimizer=optimizers[0]).save("model_a", iteration=3)
    resumed = DetectionCheckpointer(target, str(tmp_path), optimizer=optimizers[1]).resume_or_load("", resume=True)
    assert (resumed["iteration"], optimizers[1].param_groups[0]["lr"]) == (3, 7.0)
    assert torch.equal(source["head"].weight, target["head"].weight)
    torch.save({"head.bias": torch.ones(1), "head.weight": torch.ones(4, 1)}, tmp_path / "raw.pth")
    DetectionCheckpointer(target).load(str(tmp_path / "raw.pth"))
    assert target["head"].bias.tolist() == [1]
    assert torch.equal(source["head"].weight, target["head"].weight)  # another shape is skipped


def test_published_weights_are_matched_by_suffix(tmp_path):
    target, path, notes = model(), tmp_path / "w.pkl", {"__author__": "me", "matching_heuristics": True}
    path.write_bytes(pickle.dumps({"model": {"stem.weight": np.full((1, 2), 5.0), "head.bias": np.zeros(4)}, **notes}))
    DetectionCheckpointer(target).load(str(path))
    assert target["backbone"]["stem"].weight.tolist() == [[5.0, 5.0]]
    path.write_bytes(pickle.dumps({"model": {"bias": np.zeros(1)}, **notes}))
    with pytest.raises(ValueError, match="Cannot match one checkpoint key"):
        DetectionCheckpointer(target).load(str(path))
