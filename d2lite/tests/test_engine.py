import json

import detectron2
import pytest
import torch
from detectron2.config import get_cfg
from detectron2.engine import DefaultTrainer, HookBase, SimpleTrainer, default_argument_parser, default_setup
from detectron2.modeling import META_ARCH_REGISTRY
from torch import nn


@META_ARCH_REGISTRY.register()
class ToyModel(nn.Module):
    def __init__(self, cfg=None):
        super().__init__()
        self.layer = nn.Linear(2, 1)

    def forward(self, batch):
        return {"loss_b": self.layer(batch).square().mean(), "loss_a": self.layer.bias.abs().sum()}


class ToyTrainer(DefaultTrainer):
    @classmethod
    def build_train_loader(cls, cfg):
        generator = torch.Generator().manual_seed(0)
        while True:
            yield torch.randn(4, 2, generator=generator)

    @classmethod
    def test(cls, cfg, model, evaluators=None):
        return {"task": {"m": 2.0, "n-1": 3.0}}


def test_a_training_and_its_resumption(tmp_path):
    cfg = get_cfg()
    cfg.merge_from_list(["MODEL.META_ARCHITECTURE", "ToyModel", "MODEL.DEVICE", "cpu", "OUTPUT_DIR", str(tmp_path)])
    cfg.SOLVER.merge_from_list(["MAX_ITER", 25, "STEPS", (15,), "WARMUP_ITERS", 5, "CHECKPOINT_PERIOD", 10])
    cfg.merge_from_list(["TEST.EVAL_PERIOD", 20, "SEED", 1, "SOLVER.BASE_LR", 0.1])
    default_setup(cfg, default_argument_parser().parse_args([]))
    trainer = ToyTrainer(cfg)
    trainer.resume_or_load(resume=False)
    assert trainer.train() is None
    files = sorted(path.name for path in tmp_path.iterdir() if "events" not in path.name)
    assert files[:4] == ["config.yaml", "last_checkpoint", "log.txt", "metrics.json"]
    assert files[4:] == ["model_0000009.pth", "model_0000019.pth", "model_final.pth"]
    assert detectron2.__file__.rsplit("/", 1)[0] in (tmp_path / "log.txt").read_text()
    lines = [json.loads(line) for line in (tmp_path / "metrics.json").read_text().splitlines()]
    assert [line["iteration"] for line in lines] == [19, 24, 25]
    times = {"data_time", "eta_seconds", "rank_data_time", "time"}
    assert lines[1].keys() == times | {"iteration", "loss_a", "loss_b", "lr", "total_loss"}
    assert lines[0].keys() == lines[1].keys() | {"task/m", "task/n-1"}
    assert lines[2] == {"iteration": 25, "task/m": 2.0, "task/n-1": 3.0}
    saved = torch.load(tmp_path / "model_0000009.pth")
    assert (saved.keys(), saved["iteration"]) == ({"model", "trainer", "iteration"}, 9)
    assert saved["trainer"]["hooks"] == {"LRScheduler": {"base_lrs": [0.1], "last_epoch": 10}}
    assert saved["trainer"]["_trainer"].keys() == {"iteration", "optimizer"}
    (tmp_path / "last_checkpoint").write_text("model_0000009.pth")
    resumed = ToyTrainer(cfg)
    resumed.resume_or_load(resume=True)
    assert (resumed.start_iter, resumed.scheduler.last_epoch) == (10, 10)


class Spy(HookBase):
    def __init__(self, calls):
        for name in ("before_train", "before_step", "after_step", "after_train"):
            setattr(self, name, lambda name=name: calls.append((name, self.trainer.iter, self.trainer.storage.iter)))


def test_order_of_calls_and_a_loss_that_is_not_finite():
    calls, model = [], ToyModel()
    data = [torch.ones(4, 2), torch.ones(4, 2), torch.full((4, 2), float("nan"))]
    trainer = SimpleTrainer(model, data, torch.optim.SGD(model.parameters(), lr=0.1))
    trainer.register_hooks([None, Spy(calls)])
    trainer.train(3, 5)
    steps = [(name, i, i) for i in (3, 4) for name in ("before_step", "after_step")]
    assert calls == [("before_train", 3, 3), *steps, ("after_train", 5, 5)]
    before, calls[:] = model.layer.weight.clone(), []
    with pytest.raises(FloatingPointError, match="iteration 5: expected finite losses"):
        trainer.train(5, 9)
    assert [call[0] for call in calls] == ["before_train", "before_step", "after_train"]
    assert torch.equal(model.layer.weight, before)  # stopped before the step
