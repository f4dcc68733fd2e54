"""State of the identity losses comes along within one training set, and stays behind on the way to another."""

import logging

import pytest
import torch
from detectron2.data import DatasetCatalog, MetadataCatalog

from inet_d2.data.datasets.builtin import load_records
from inet_d2.engine import INetTrainer, RunCheckpointer, find_weights
from inet_d2.engine.identity_state import leave_out, parts_of

PREFIX = "roi_heads.identity_losses."


@pytest.mark.parametrize(
    ("is_same", "left"),
    [(True, ["classifier.weight"]), (False, ["classifier.weight", "dictionary.fill"])],
)
def test_only_the_state_of_the_identity_losses_is_left_out(is_same, left):
    expected = {PREFIX + "classifier.weight": torch.zeros(3, 2), PREFIX + "dictionary.fill": torch.tensor(0)}
    expected["roi_heads.reid_head.weight"] = torch.zeros(2)
    state = {PREFIX + "classifier.weight": torch.ones(4, 2), PREFIX + "dictionary.fill": torch.tensor(5)}
    state |= {PREFIX + "terms.of.others": torch.ones(1), "roi_heads.reid_head.weight": torch.ones(7)}
    before = set(state)
    assert leave_out(state, expected, is_same=is_same) == [PREFIX + name for name in left]
    assert before - set(state) == {PREFIX + name for name in left}


def test_parts_are_named_once():
    names = ["classifier.weight", "classifier.bias", "terms.oim.queue.fill", "terms.oim.lookup_table"]
    assert parts_of(PREFIX + name for name in names) == "classifier, oim"


@pytest.fixture
def other_set(tiny_datasets):
    """Register the tiny scenes' people under other numbers, the first ``count`` of them."""
    names = []

    def register(count):
        records = load_records("cuhk_sysu_train")
        for record in records:
            record["annotations"] = [
                {**x, "person_id": (x["person_id"] + 1) % count if 0 <= x["person_id"] < count else -1}
                for x in record["annotations"]
            ]
        name = f"tiny_of_{count}_train"
        DatasetCatalog.register(name, lambda: records)
        names.append(name)
        return name

    yield register
    for name in names:
        DatasetCatalog.remove(name)
        MetadataCatalog.pop(name, None)


@pytest.fixture
def trained(run_cfg, tmp_path):
    """Weights of a short run, and the state of its identity losses."""
    trainer = INetTrainer(run_cfg("pairs", "SOLVER.MAX_ITER", 2, "OUTPUT_DIR", tmp_path / "first"))
    trainer.resume_or_load(resume=False)
    trainer.train()
    state = trainer.checkpointer.model.roi_heads.identity_losses.state_dict()
    assert state["dictionary.fill"] > 0
    return str(tmp_path / "first/model_final.pth"), state


def start(run_cfg, *options):
    trainer = INetTrainer(run_cfg("pairs", "SOLVER.MAX_ITER", 2, *options))
    trainer.resume_or_load(resume=False)
    return trainer, trainer.checkpointer.model.roi_heads.identity_losses.state_dict()


def test_the_same_training_set_takes_the_state_over(run_cfg, trained, caplog):
    weights, expected = trained
    _, state = start(run_cfg, "MODEL.WEIGHTS", weights)
    assert all(torch.equal(state[name], value) for name, value in expected.items())
    assert "left behind" not in caplog.text


@pytest.mark.parametrize("count", [8, 3])
@pytest.mark.parametrize("num_pids", ["given", 0])
def test_another_training_set_starts_with_its_own_state(run_cfg, trained, other_set, caplog, count, num_pids):
    weights, before = trained
    caplog.set_level(logging.WARNING)
    number = count if num_pids == "given" else 0
    options = ["DATASETS.TRAIN", f"('{other_set(count)}',)", "MODEL.ROI_REID_HEAD.NUM_PIDS", number]
    trainer, state = start(run_cfg, "MODEL.WEIGHTS", weights, *options)
    assert (
        f"{weights} was trained on other identities; left behind, to start anew: classifier, dictionary." in caplog.text
    )
    assert "not found in the checkpoint" not in caplog.text
    assert state["dictionary.fill"] == 0
    assert state["classifier.weight"].shape[0] == count + 1
    assert count != 8 or not torch.equal(state["classifier.weight"], before["classifier.weight"])
    trainer.train()  # HEP looks up the classes of the dictionary's people


def test_weights_that_do_not_say_of_whom_they_are_leave_their_state_behind(run_cfg, trained, tmp_path, caplog):
    weights, _ = trained
    content = torch.load(weights)
    del content["identities"]
    torch.save(content, tmp_path / "unknown.pth")
    _, state = start(run_cfg, "MODEL.WEIGHTS", tmp_path / "unknown.pth")
    assert state["dictionary.fill"] == 0
    assert "unknown.pth does not say which identities it was trained on; left behind" in caplog.text


def test_a_resumed_run_keeps_its_state_whatever_the_records_say_now(run_cfg, trained, other_set, tmp_path, caplog):
    _, expected = trained
    options = ["OUTPUT_DIR", tmp_path / "first", "DATASETS.TRAIN", f"('{other_set(8)}',)", "SOLVER.MAX_ITER", 3]
    trainer = INetTrainer(run_cfg("pairs", *options))
    trainer.resume_or_load(resume=True)
    state = trainer.checkpointer.model.roi_heads.identity_losses.state_dict()
    assert all(torch.equal(state[name], value) for name, value in expected.items())
    assert "identities are not those that" in caplog.text


def test_a_model_that_is_only_evaluated_need_not_know_how_many_there_are(run_cfg, trained, caplog):
    caplog.set_level(logging.WARNING)
    cfg = run_cfg("pairs", "MODEL.ROI_REID_HEAD.NUM_PIDS", 0, "DATASETS.TRAIN", "()")
    checkpointer = RunCheckpointer(INetTrainer.build_model(cfg), cfg.OUTPUT_DIR)
    checkpointer.load(find_weights(checkpointer, trained[0], resume=False, complete=True))
    saved, state = torch.load(trained[0])["model"], checkpointer.model.state_dict()
    assert all(torch.equal(value, saved[name]) for name, value in state.items() if not name.startswith(PREFIX))
    assert not [record for record in caplog.records if "identity_losses" in record.getMessage()]
