"""A run that is stopped and resumed is, bit for bit, the run that was never stopped."""

import random
from pathlib import Path

import numpy as np
import pytest
import torch

from inet_d2.engine import INetTrainer, RunStoppedError
from inet_d2.engine.resume import find_earlier_run, set_aside


def train(cfg, *, resume=False, stop_before=None):
    """Train; the iteration ``stop_before`` fails before it changes anything."""
    trainer = INetTrainer(cfg)
    trainer.resume_or_load(resume=resume)
    step = trainer.run_step

    def run_step():
        if trainer.iter == stop_before:
            raise RunStoppedError("killed")
        step()

    trainer.run_step = run_step
    if stop_before is None:
        trainer.train()
    else:
        with pytest.raises(RunStoppedError, match="killed"):
            trainer.train()
    return trainer


def leaves(state, prefix=""):
    if isinstance(state, dict):
        for key, value in state.items():
            yield from leaves(value, f"{prefix}{key}.")
    elif isinstance(state, (list, tuple)):
        for index, value in enumerate(state):
            yield from leaves(value, f"{prefix}{index}.")
    else:
        yield prefix, state


def assert_equal(first, second):
    first, second = dict(leaves(first)), dict(leaves(second))
    assert first.keys() == second.keys()
    for name, value in first.items():
        other = second[name]
        assert torch.equal(value, other) if isinstance(value, torch.Tensor) else value == other, name


def states(trainer):
    return {"model": trainer.model.state_dict(), "optimizer": trainer.optimizer.state_dict()}


BF16 = ("SOLVER.AMP.ENABLED", True, "SOLVER.AMP.PRECISION", "bf16", "SOLVER.ITER_SIZE", 2)


@pytest.mark.parametrize(
    ("kind", "seed", "own"),
    [("pairs", 1, ()), ("pairs", -1, ()), ("pairs", 1, BF16), ("crops", 1, ()), ("images", 1, ())],
)
def test_a_stopped_run_ends_where_an_unstopped_one_does(run_cfg, tmp_path, kind, seed, own):
    options = ["SOLVER.MAX_ITER", 4, "SOLVER.CHECKPOINT_PERIOD", 2, "MODEL.ROI_BOX_HEAD.DROPOUT", 0.5, "SEED", seed]
    options += own
    torch.manual_seed(0)
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002
    whole = train(run_cfg(kind, *options))
    torch.manual_seed(0)
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002
    options += ["OUTPUT_DIR", tmp_path / "stopped"]
    train(run_cfg(kind, *options), stop_before=3)  # one iteration behind a checkpoint
    # The generators are anywhere, and the loader has other processes.
    torch.manual_seed(99)
    resumed = train(run_cfg(kind, *options, "DATALOADER.NUM_WORKERS", 2), resume=True)
    assert resumed.start_iter == 2
    assert_equal(states(whole), states(resumed))
    files = [torch.load(tmp_path / name / "model_final.pth", weights_only=True) for name in ("run", "stopped")]
    assert_equal(*files)


def test_the_stream_is_not_begun_anew(run_cfg):
    """Without its place in the stream, a resumed run would see the first pairs again."""
    options = ["SOLVER.MAX_ITER", 6, "SOLVER.CHECKPOINT_PERIOD", 3]
    seen = []

    def record(trainer):
        mapper = trainer.data_loader.dataset.mapper
        trainer.data_loader.dataset.mapper = lambda item: (
            seen.append((item["first"]["image_id"], item["pid"])) or (mapper(item))
        )

    trainer = INetTrainer(run_cfg("pairs", *options))
    record(trainer)
    trainer.train()
    whole, seen = seen, []
    trainer = INetTrainer(run_cfg("pairs", *options))
    Path(trainer.cfg.OUTPUT_DIR, "model_final.pth").unlink()
    Path(trainer.cfg.OUTPUT_DIR, "model_0000005.pth").unlink()
    trainer.resume_or_load(resume=True)
    record(trainer)
    trainer.train()
    assert seen == whole[3:]
    assert len(set(whole)) > 3


def test_a_missing_final_checkpoint_is_written_by_resume(run_cfg):
    cfg = run_cfg("crops", "SOLVER.MAX_ITER", 2, "SOLVER.CHECKPOINT_PERIOD", 2)
    train(cfg)
    final = Path(cfg.OUTPUT_DIR, "model_final.pth")
    content = torch.load(final, weights_only=True)
    for damage in (final.unlink, lambda: final.write_bytes(final.read_bytes()[:1000])):
        damage()
        trainer = train(cfg, resume=True)
        assert trainer.start_iter == 2
        assert_equal(torch.load(final, weights_only=True), content)


def test_the_learning_rate_of_the_configuration_is_used(run_cfg):
    options = ["SOLVER.MAX_ITER", 6, "SOLVER.CHECKPOINT_PERIOD", 2]
    train(run_cfg("crops", *options), stop_before=2)
    trainer = INetTrainer(run_cfg("crops", *options, "SOLVER.BASE_LR", 0.01, "SOLVER.WEIGHT_DECAY", 0.5))
    trainer.resume_or_load(resume=True)
    fresh = INetTrainer(run_cfg("crops", *options, "SOLVER.BASE_LR", 0.01, "SOLVER.WEIGHT_DECAY", 0.5))
    for _ in range(2):
        fresh.optimizer.step()
        fresh.scheduler.step()
    rates = [[(g["lr"], g["weight_decay"]) for g in t.optimizer.param_groups] for t in (trainer, fresh)]
    assert rates[0] == rates[1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["SOLVER.OPTIMIZER", "SGD"], r"was trained with another SOLVER\.OPTIMIZER; use the configuration"),
        (["MODEL.ROI_REID_HEAD.EMBED_DIM", 24], r"does not fit the configuration: .* \(16.*\) instead of \(24"),
        (["MODEL.ROI_REID_HEAD.DICTIONARY.SIZE", 32], r"dictionary\.embeddings \(64, 16\) instead of \(32, 16\)"),
        (["SOLVER.LR_FACTOR_PRETRAINED", 0.5], "has other groups of parameters"),
        (["SOLVER.MAX_ITER", 1], r"is after 2 iterations, and SOLVER\.MAX_ITER is 1"),
    ],
)
def test_a_configuration_that_the_checkpoint_does_not_fit_is_refused(run_cfg, options, message):
    train(run_cfg("pairs", "SOLVER.MAX_ITER", 2))
    trainer = INetTrainer(run_cfg("pairs", "SOLVER.MAX_ITER", 4, *options))
    with pytest.raises(ValueError, match=message):
        trainer.resume_or_load(resume=True)


def test_a_new_run_does_not_mix_with_an_earlier_one(run_cfg):
    cfg = run_cfg("crops", "SOLVER.MAX_ITER", 2)
    train(cfg)
    folder = Path(cfg.OUTPUT_DIR)
    (folder / "results.json").write_text("{}")
    (folder / ".model_0000001.77.tmp.pth").write_text("of a killed save")
    train(cfg, stop_before=0)  # killed before its first checkpoint
    assert not (folder / "results.json").exists()
    assert not list(folder.glob(".model_*"))
    assert {path.name for path in (folder / "earlier_1").iterdir()} == {
        "last_checkpoint",
        "model_final.pth",
        "results.json",
    }
    assert train(cfg, resume=True).start_iter == 0


def test_weights_that_a_new_run_would_replace_are_refused(tmp_path):
    weights = tmp_path / "model_final.pth"
    weights.write_text("")
    with pytest.raises(ValueError, match=r"which the new run is to start from and would replace; give another OUTPUT"):
        find_earlier_run(str(tmp_path), str(weights))
    assert find_earlier_run(str(tmp_path), "elsewhere.pth") == [weights]


def test_each_earlier_run_has_a_folder_of_its_own(tmp_path):
    for content in ("a", "b"):
        (tmp_path / "model_final.pth").write_text(content)
        set_aside(str(tmp_path), find_earlier_run(str(tmp_path), ""))
    assert [(tmp_path / f"earlier_{n}" / "model_final.pth").read_text() for n in (1, 2)] == ["a", "b"]
