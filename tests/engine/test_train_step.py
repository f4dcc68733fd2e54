"""A loss or gradient that is not finite stops the run before anything is changed, and the batch is kept."""

import multiprocessing
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch
from detectron2.utils.events import EventStorage
from torch import nn

from inet_d2.engine import INetTrainer, RunStoppedError
from inet_d2.engine.checkpoint_file import is_sound, read_checkpoint
from inet_d2.engine.train_step import TrainStep, non_finite


class Poison(torch.autograd.Function):
    """Passes values on and turns their gradient into NaN."""

    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        return gradient * float("nan")


def poison_loss(losses):
    return {name: value * float("inf") for name, value in losses.items()}


def poison_gradient(losses):
    return {name: Poison.apply(value) for name, value in losses.items()}


@pytest.mark.parametrize(
    ("poison", "message"),
    [(poison_loss, "iteration 3: loss_.* not finite, on .*jpg"), (poison_gradient, "iteration 3: the gradient of ")],
)
def test_the_run_stops_and_nothing_of_it_is_saved(run_cfg, load_script, capsys, poison, message):
    cfg = run_cfg("pairs", "SOLVER.MAX_ITER", 6, "SOLVER.CHECKPOINT_PERIOD", 2)
    trainer = INetTrainer(cfg)
    model, folder = trainer.model, Path(cfg.OUTPUT_DIR)
    # The third iteration is one of a checkpoint.
    forward = model.forward
    model.forward = lambda batch: poison(forward(batch)) if trainer.iter == 3 else forward(batch)
    before = {}
    step = trainer.run_step

    def run_step():
        before.update({name: value.clone() for name, value in model.named_parameters()})
        step()

    trainer.run_step = run_step
    with pytest.raises(RunStoppedError, match=message):
        trainer.train()
    assert all(torch.equal(value, before[name]) for name, value in model.named_parameters())
    assert sorted(path.name for path in folder.glob("model_*")) == ["model_0000001.pth"]
    assert is_sound(folder / "model_0000001.pth")

    batch = read_checkpoint(folder / "bad_batch_0.pth")
    assert batch["iteration"] == 3
    assert len(batch["batch"]) == cfg.SOLVER.IMS_PER_BATCH
    (folder / "config.yaml").write_text(cfg.dump())
    tool = load_script("tools/replay_batch.py")
    words = [str(folder / "bad_batch_0.pth"), "--config-file", str(folder / "config.yaml")]
    # The batch itself is sound, and so are the weights.
    assert tool.main([*words, "MODEL.WEIGHTS", str(folder / "model_0000001.pth")]) == 0
    shown = capsys.readouterr().out
    assert "loss_olp" in shown
    assert "gradients that are not finite: none" in shown
    weights = read_checkpoint(folder / "model_0000001.pth")["model"]
    weights["backbone.stack1.conv1_1.weight"][0, 0, 0, 0] = float("nan")
    torch.save({"model": weights}, folder / "nan.pth")
    assert tool.main([*words, "MODEL.WEIGHTS", str(folder / "nan.pth")]) == 1
    assert "NaN" in capsys.readouterr().out


class Line(nn.Module):
    """y = w x; a batch is a list of inputs (x, y), its loss their mean squared error."""

    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.tensor(2.0))

    def forward(self, batch):
        x, y = torch.tensor([[each["x"], each["y"]] for each in batch]).T
        return {"loss": (self.w * x - y).square().mean()}


def test_an_iteration_averages_its_batches(tmp_path):
    """By hand: w = 2, batches (x, y) = (1, 1) and (3, 2), gradient of each 2 x (w x - y).

    They are 2 * 1 * 1 = 2 and 2 * 3 * 4 = 24, their mean is 13, and the losses 1 and 16 have the mean 8.5.
    """
    model = Line()
    batches = [[{"x": 1.0, "y": 1.0}], [{"x": 3.0, "y": 2.0}]]
    step = TrainStep(model, batches, torch.optim.SGD(model.parameters(), lr=0.1), output_dir=str(tmp_path), iter_size=2)
    with EventStorage() as storage:
        step.run_step()
    assert model.w.item() == pytest.approx(2 - 0.1 * 13)
    assert storage.latest()["total_loss"][0] == pytest.approx(8.5)


def test_what_is_not_finite_is_found():
    assert non_finite({}) == []
    # The sum of finite numbers may overflow; they are not blamed.
    assert non_finite({"large": torch.tensor([3e38, 3e38]), "one": torch.tensor(1.0)}) == []
    bad = {
        "a": torch.tensor([1.0, float("inf"), -float("inf")]),
        "b": torch.zeros(2, 2),
        "c": torch.tensor(float("nan")),
    }
    assert non_finite(bad) == ["a", "c"]


def test_proposals_that_are_not_finite_stop_the_run(run_cfg):
    trainer = INetTrainer(run_cfg("pairs", "SOLVER.MAX_ITER", 1))
    with torch.no_grad():
        trainer.model.backbone.stack1.conv1_1.weight.fill_(float("nan"))
    with pytest.raises(RunStoppedError, match=r"iteration 0: proposals \(.*NaN.*\) not finite, on .*bad_batch_0\.pth"):
        trainer.train()


def test_another_file_is_no_batch(load_script, tmp_path, capsys):
    torch.save({"model": {}}, tmp_path / "a.pth")
    tool = load_script("tools/replay_batch.py")
    assert tool.main([str(tmp_path / "a.pth"), "--config-file", ""]) == 2
    assert "expected a batch that a stopped training saved" in capsys.readouterr().err


@pytest.mark.parametrize("fails", [False, True])
def test_the_loaders_processes_end_with_the_training(run_cfg, fails):
    trainer = INetTrainer(run_cfg("pairs", "SOLVER.MAX_ITER", 1, "DATALOADER.NUM_WORKERS", 2))
    running = []
    step = trainer.run_step

    def run_step():
        step()
        running.extend(multiprocessing.active_children())
        if fails:
            raise RunStoppedError("stop")

    trainer.run_step = run_step
    with pytest.raises(RunStoppedError, match="stop") if fails else nullcontext():
        trainer.train()
    assert len(running) == 2
    assert not any(process.is_alive() for process in running)
