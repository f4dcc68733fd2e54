import pytest
import torch
from fvcore.common.checkpoint import Checkpointer
from torch import nn

from inet_d2.engine import check_weights, find_weights


@pytest.fixture
def model():
    return nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 4))


def save(path, state):
    torch.save(state, path)
    return str(path)


def test_fitting_weights_pass(model, tmp_path):
    check_weights(model, save(tmp_path / "a.pth", {"model": model.state_dict(), "iteration": 3}), complete=True)
    check_weights(model, save(tmp_path / "b.pth", model.state_dict()), complete=True)
    check_weights(model, "", complete=True)


def test_a_part_is_enough_for_training_but_not_for_evaluation(model, tmp_path):
    path = save(tmp_path / "a.pth", {"model": {"0.weight": torch.zeros(3, 2), "other": torch.zeros(1)}})
    check_weights(model, path, complete=False)
    with pytest.raises(ValueError, match=r"a\.pth lacks 3 parameters of the model: 0\.bias, 1\.weight, 1\.bias"):
        check_weights(model, path, complete=True)


def test_another_shape_is_refused(model, tmp_path):
    path = save(tmp_path / "a.pth", {"model": {"0.weight": torch.zeros(3, 5)}})
    with pytest.raises(ValueError, match=r"0\.weight \(3, 5\) instead of \(3, 2\)"):
        check_weights(model, path, complete=False)


def test_another_model_is_refused(model, tmp_path):
    path = save(tmp_path / "a.pth", {"model": {"conv.weight": torch.zeros(1)}})
    with pytest.raises(ValueError, match=r"no parameter of Sequential; it begins with conv\.weight"):
        check_weights(model, path, complete=False)


def test_the_state_of_the_identity_losses_may_differ(tmp_path):
    class Heads(nn.Module):
        def __init__(self, num_pids):
            super().__init__()
            self.reid_head = nn.Linear(2, 2)
            self.identity_losses = nn.Linear(2, num_pids)

    def build(num_pids):
        model = nn.Module()
        model.roi_heads = Heads(num_pids)
        return model

    path = save(tmp_path / "a.pth", {"model": build(5).state_dict()})
    check_weights(build(7), path, complete=True)


def test_layers_of_the_box_head_stand_in_for_the_embeddings_own(tmp_path):
    def build(separate):
        model, heads = nn.Module(), nn.Module()
        model.roi_heads = heads
        heads.box_head = nn.ModuleDict({"fc1": nn.Linear(2, 2)})
        heads.reid_head = nn.ModuleDict({"fc": nn.ModuleDict({"fc1": nn.Linear(2, 2)})} if separate else {})
        return model

    path = save(tmp_path / "a.pth", {"model": build(False).state_dict()})
    check_weights(build(True), path, complete=True)
    path = save(tmp_path / "b.pth", {"model": {"roi_heads.box_head.fc1.weight": torch.zeros(2, 2)}})
    with pytest.raises(
        ValueError, match=r"lacks 2 .*: roi_heads\.box_head\.fc1\.bias, roi_heads\.reid_head\.fc\.fc1\.bias"
    ):
        check_weights(build(True), path, complete=True)


@pytest.mark.parametrize("name", ["none.pth", "none.pkl", "none.pth?matching_heuristics=True"])
def test_a_missing_file_is_refused(model, tmp_path, name):
    with pytest.raises(FileNotFoundError, match=r"MODEL\.WEIGHTS: no file .*none\..*; give the path of a checkpoint"):
        check_weights(model, str(tmp_path / name), complete=False)


def test_a_file_that_the_checkpointer_matches_by_itself_passes(model, tmp_path):
    path = save(tmp_path / "a.pth", {"model": {"weight": torch.zeros(3, 2)}})
    check_weights(model, f"{path}?matching_heuristics=True", complete=False)


def test_an_address_that_no_engine_knows_is_refused(model):
    with pytest.raises(FileNotFoundError, match=r"no file nowhere://a\.pkl; this engine cannot fetch it: download"):
        check_weights(model, "nowhere://a.pkl", complete=False)


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"PK\x03\x04 cut off"])
def test_a_broken_file_is_refused(model, tmp_path, content):
    path = tmp_path / "a.pth"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"a\.pth is no checkpoint that torch can read .*cut off"):
        check_weights(model, str(path), complete=False)


def test_the_last_checkpoint_comes_first_where_a_run_goes_on(model, tmp_path):
    checkpointer = Checkpointer(model, str(tmp_path))
    other = save(tmp_path / "other.pth", model.state_dict())
    assert find_weights(checkpointer, other, resume=True, complete=True) == other
    checkpointer.save("model_0000003")
    assert find_weights(checkpointer, other, resume=True, complete=True) == str(tmp_path / "model_0000003.pth")
    assert find_weights(checkpointer, other, resume=False, complete=True) == other
    assert find_weights(checkpointer, "", resume=False, complete=True) == ""


def test_the_last_checkpoint_must_fit_too(model, tmp_path):
    Checkpointer(nn.Sequential(nn.Linear(2, 3)), str(tmp_path)).save("small")
    with pytest.raises(ValueError, match=r"last checkpoint: .*small\.pth lacks 2 parameters of the model"):
        find_weights(Checkpointer(model, str(tmp_path)), "", resume=True, complete=False)
