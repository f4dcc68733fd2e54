import pickle
from pathlib import Path

import numpy as np
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


def pickled(path, content):
    path.write_bytes(pickle.dumps(content))
    return str(path)


@pytest.mark.parametrize("name", ["other.pth", "other.pt", "other.bin", "other"])
def test_weights_of_another_model_are_refused_whatever_the_file_is_called(model, tmp_path, name):
    path = save(tmp_path / name, {"model": {"other.weight": torch.zeros(3)}})
    for complete in (True, False):
        with pytest.raises(ValueError, match=r"no parameter of Sequential; it begins with other\.weight"):
            check_weights(model, path, complete=complete)


@pytest.mark.parametrize("content", [b"", b"\x80\x04\x95", b"hello"])
def test_a_broken_pkl_is_refused(model, tmp_path, content):
    (tmp_path / "cut.pkl").write_bytes(content)
    with pytest.raises(ValueError, match=r"MODEL\.WEIGHTS: .*cut\.pkl: expected named arrays"):
        check_weights(model, str(tmp_path / "cut.pkl"), complete=False)


def test_a_published_pkl_is_matched_by_the_ends_of_names(model, tmp_path):
    state = {name: value.numpy() for name, value in model.state_dict().items()}
    check_weights(model, pickled(tmp_path / "zoo.pkl", {"model": state, "__author__": "Zoo"}), complete=True)
    part = pickled(tmp_path / "part.pkl", {"model": {"weight": state["0.weight"]}, "__author__": "Zoo"})
    check_weights(model, part, complete=False)
    # "weight" fits 0.weight alone: 1.weight has another shape.
    with pytest.raises(ValueError, match=r"lacks 3 parameters of the model: 0\.bias, 1\.weight, 1\.bias"):
        check_weights(model, part, complete=True)


def test_caffe2s_names_are_the_checkpointers_affair_but_no_whole_model(model, tmp_path):
    path = pickled(tmp_path / "caffe2.pkl", {"blobs": {"conv1_w": np.zeros(3, np.float32)}})
    check_weights(model, path, complete=False)
    with pytest.raises(ValueError, match="no parameter of Sequential"):
        check_weights(model, path, complete=True)


def test_nothing_in_a_pkl_is_run(model, tmp_path):
    path = tmp_path / "bomb.pkl"
    path.write_bytes(pickle.dumps({"model": Bomb(tmp_path / "ran")}))
    with pytest.raises(ValueError, match=r"bomb\.pkl: expected named arrays"):
        check_weights(model, str(path), complete=True)
    assert not (tmp_path / "ran").exists()


class Bomb:
    """Makes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_random_weights_are_not_used_without_a_word(model, tmp_path, caplog):
    checkpointer = Checkpointer(model, str(tmp_path))
    find_weights(checkpointer, "", resume=False, complete=False)
    assert caplog.text == ""
    find_weights(checkpointer, "", resume=False, complete=True)
    assert "MODEL.WEIGHTS is empty: the model has random weights." in caplog.text
    checkpointer.save("model_0000003")
    find_weights(checkpointer, "", resume=False, complete=True)
    assert f"{tmp_path} holds a checkpoint, which --resume takes" in caplog.text


def test_random_weights_that_never_learn_are_named(model, tmp_path, caplog):
    model[0].requires_grad_(False)
    find_weights(Checkpointer(model, str(tmp_path)), "", resume=False, complete=False)
    assert "2 parameters stay as they are, at random: 0.weight, 0.bias. Name weights, or unfreeze them" in caplog.text
    caplog.clear()
    model.idle_parts = ("0",)  # what the stage does not use may stay at random
    find_weights(Checkpointer(model, str(tmp_path)), "", resume=False, complete=False)
    assert caplog.text == ""


def test_any_damage_of_a_file_of_arrays_is_told_with_its_name(model, tmp_path):
    """Every reader behind it raises errors of its own; none of them gets out."""
    path = tmp_path / "zoo.pkl"
    state = {name: value.numpy() for name, value in model.state_dict().items()}
    whole = bytearray(pickle.dumps({"model": state, "__author__": "Zoo"}))
    rng, refused = np.random.default_rng(0), 0
    for _ in range(400):
        damaged = whole.copy()
        damaged[rng.integers(len(damaged))] ^= 1 << rng.integers(8)
        path.write_bytes(damaged)
        try:
            check_weights(model, str(path), complete=True)
        except ValueError as error:
            assert "zoo.pkl" in str(error)  # noqa: PT017
            refused += 1
    assert refused > 100
