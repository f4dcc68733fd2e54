import os

import pytest
import torch
from torch import nn

from inet_d2.engine import RunCheckpointer, RunStoppedError
from inet_d2.engine.checkpoint_file import read_checkpoint


@pytest.fixture
def model():
    torch.manual_seed(0)
    return nn.Linear(40, 30)


@pytest.fixture
def saved(model, tmp_path):
    """A checkpointer that has saved the iterations 1, 3 and 5, the last one twice."""
    checkpointer = RunCheckpointer(model, str(tmp_path), optimizer=torch.optim.SGD(model.parameters(), lr=1.0))
    for iteration in (1, 3, 5):
        checkpointer.save(f"model_{iteration:07d}", iteration=iteration)
    checkpointer.save("model_final", iteration=5)
    return checkpointer


def cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def test_the_newest_checkpoint_is_the_tagged_one(saved, tmp_path):
    assert saved.has_checkpoint()
    assert saved.get_checkpoint_file() == str(tmp_path / "model_final.pth")
    assert sorted(os.listdir(tmp_path)) == [
        "last_checkpoint", "model_0000001.pth", "model_0000003.pth", "model_0000005.pth", "model_final.pth",
    ]  # fmt: skip


def test_damaged_checkpoints_are_passed_over_with_a_sentence(saved, tmp_path, caplog):
    cut(tmp_path / "model_final.pth")
    (tmp_path / "model_0000005.pth").write_bytes(b"")
    with caplog.at_level("WARNING", logger="inet_d2.engine.checkpointer"):
        assert saved.get_checkpoint_file() == str(tmp_path / "model_0000003.pth")
    assert [record.getMessage().count("Going on from model_0000003.pth") for record in caplog.records] == [1, 1]
    assert "model_final.pth is no checkpoint" in caplog.records[0].getMessage()


def test_a_kill_before_the_tag_loses_nothing(saved, tmp_path):
    (tmp_path / "model_final.pth").unlink()
    saved.tag_last_checkpoint("model_0000003.pth")
    assert saved.get_checkpoint_file() == str(tmp_path / "model_0000005.pth")


def test_an_older_final_checkpoint_is_not_the_newest(saved, tmp_path):
    saved.save("model_0000007", iteration=7)
    assert saved.get_checkpoint_file() == str(tmp_path / "model_0000007.pth")
    (tmp_path / "last_checkpoint").unlink()
    assert saved.get_checkpoint_file() == str(tmp_path / "model_0000007.pth")


@pytest.mark.parametrize("name", ["../other.pth", "/etc/other.pth", "weights.pkl"])
def test_a_tag_that_leads_elsewhere_is_not_followed(saved, tmp_path, name, caplog):
    (tmp_path / "last_checkpoint").write_text(name)
    with caplog.at_level("WARNING", logger="inet_d2.engine.checkpointer"):
        assert saved.get_checkpoint_file() == str(tmp_path / "model_final.pth")
    assert "which is no .pth file of this folder" in caplog.text


def test_without_a_sound_checkpoint_there_is_an_error(saved, tmp_path):
    for path in tmp_path.glob("*.pth"):
        cut(path)
    with pytest.raises(ValueError, match=r"expected a sound checkpoint in .*found none .*leave --resume out"):
        saved.get_checkpoint_file()


def test_a_tag_without_its_file_is_an_error(model, tmp_path):
    checkpointer = RunCheckpointer(model, str(tmp_path))
    assert not checkpointer.has_checkpoint()
    checkpointer.tag_last_checkpoint("model_0000004.pth")
    assert checkpointer.has_checkpoint()
    with pytest.raises(ValueError, match=r"model_0000004\.pth, the last checkpoint, is missing"):
        checkpointer.get_checkpoint_file()


def test_weights_alone_are_none_to_go_on_from(model, tmp_path):
    RunCheckpointer(model, str(tmp_path)).save("model_final")
    assert RunCheckpointer(model, str(tmp_path)).get_checkpoint_file()
    with pytest.raises(ValueError, match="holds weights alone, without optimizer"):
        RunCheckpointer(
            model, str(tmp_path), optimizer=torch.optim.SGD(model.parameters(), lr=1.0)
        ).get_checkpoint_file()


def test_only_so_many_are_kept(model, tmp_path):
    checkpointer = RunCheckpointer(model, str(tmp_path), num_kept=2)
    for iteration in range(4):
        checkpointer.save(f"model_{iteration:07d}", iteration=iteration)
    checkpointer.save("model_final", iteration=3)
    assert sorted(path.name for path in tmp_path.glob("*.pth")) == [
        "model_0000002.pth", "model_0000003.pth", "model_final.pth",
    ]  # fmt: skip


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_not_finite_is_not_saved(saved, model, tmp_path, value):
    before = (tmp_path / "model_final.pth").read_bytes()
    with torch.no_grad():
        model.bias[3] = value
    with pytest.raises(
        RunStoppedError, match=r"model_final\.pth is not saved, because the model is no longer finite \(bias"
    ):
        saved.save("model_final", iteration=6)
    assert (tmp_path / "model_final.pth").read_bytes() == before


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device that is always full")
def test_a_full_disk_leaves_the_last_checkpoint(saved, tmp_path, monkeypatch):
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    save = torch.save

    def to_a_full_disk(content, path):
        path.symlink_to("/dev/full")
        save(content, path)

    monkeypatch.setattr(torch, "save", to_a_full_disk)
    with pytest.raises(
        RunStoppedError, match=r"model_0000007\.pth: the checkpoint cannot be written .*Make room and go on"
    ):
        saved.save("model_0000007", iteration=7)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_every_flipped_bit_of_a_tensor_is_noticed(saved, tmp_path):
    path = tmp_path / "model_final.pth"
    content, right = path.read_bytes(), read_checkpoint(path)["model"]["weight"].clone()
    generator = torch.Generator().manual_seed(0)
    noticed = 0
    for place in torch.randint(len(content), (200,), generator=generator).tolist():
        damaged = bytearray(content)
        damaged[place] ^= 1 << place % 8
        path.write_bytes(damaged)
        try:
            # Between the parts of a file there are unused bytes: then the content is right.
            assert torch.equal(read_checkpoint(path)["model"]["weight"], right)
        except ValueError as error:
            noticed += str(path) in str(error)
    assert noticed > 100


def test_objects_that_could_run_code_are_not_read(tmp_path):
    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "made"), "w"))

    torch.save({"model": {}, "evil": Evil()}, tmp_path / "a.pth")
    with pytest.raises(ValueError, match=r"a\.pth is no checkpoint that torch can read"):
        read_checkpoint(tmp_path / "a.pth")
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("content", [[1], {"model": None}, torch.zeros(2)])
def test_other_content_is_no_checkpoint(tmp_path, content):
    torch.save(content, tmp_path / "a.pth")
    with pytest.raises(ValueError, match=r"a\.pth is no checkpoint"):
        read_checkpoint(tmp_path / "a.pth")
