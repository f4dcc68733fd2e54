"""Mixed precision: convolutions in half precision, identities in float32."""

import pytest
import torch
from detectron2.utils.env import seed_all_rng
from detectron2.utils.events import EventStorage
from torch import nn

from inet_d2.engine import INetTrainer, RunStoppedError, load_config, precision, training_precision
from inet_d2.engine.train_step import TrainStep
from places import config_path

AMP = ("SOLVER.AMP.ENABLED", True, "SOLVER.AMP.PRECISION")


def first_losses(cfg, sampled):
    """Losses of the first iteration, and the trainer after it.

    Untrained proposals are so alike that rounding reorders them; the regions of the first call are those of the next.
    """
    seed_all_rng(1)
    trainer = INetTrainer(cfg)
    sample = trainer.model.roi_heads.sample_regions

    def sample_once(*inputs):
        if not sampled:
            sampled.extend(sample(*inputs))
        torch.manual_seed(0)  # the second call draws nothing
        return sampled

    trainer.model.roi_heads.sample_regions = sample_once
    losses, forward = {}, trainer.model.forward

    def record(batch):
        found = forward(batch)
        losses.update({name: (value.item(), value.dtype) for name, value in found.items()})
        return found

    trainer.model.forward = record
    trainer.train()
    return losses, trainer


@pytest.mark.parametrize(
    ("kind", "precision"), [("pairs", "fp16"), ("pairs", "bf16"), ("crops", "bf16"), ("images", "bf16")]
)
def test_losses_are_those_of_float32_but_for_rounding(run_cfg, kind, precision):
    sampled, options = [], ["SOLVER.MAX_ITER", 1, "SEED", 1]
    expected, _ = first_losses(run_cfg(kind, *options), sampled)
    found, trainer = first_losses(run_cfg(kind, *options, *AMP, precision), sampled)
    assert found.keys() == expected.keys()
    for name, (value, dtype) in found.items():
        # One rounding is a part in 512 (bfloat16) or 2,048.
        assert value == pytest.approx(expected[name][0], rel=0.05), name
        assert dtype == torch.float32, name
    # Rounding there is: else nothing would have been in half precision.
    assert {name: value for name, (value, _) in found.items()} != {name: value for name, (value, _) in expected.items()}
    assert all(
        value.dtype == torch.float32 for value in trainer.model.state_dict().values() if value.is_floating_point()
    )


def test_stored_embeddings_have_unit_length_in_float32(run_cfg):
    trainer = INetTrainer(run_cfg("pairs", "SOLVER.MAX_ITER", 2, *AMP, "bf16"))
    trainer.train()
    stored, _ = trainer.model.roi_heads.identity_losses.dictionary.contents()
    assert stored.dtype == torch.float32
    # One rounding to bfloat16 alone would be off by up to 0.004.
    assert (stored.norm(dim=1) - 1).abs().max() < 1e-6


class Line(nn.Module):
    """y = w x with w = 2; its loss for a batch of x is the sum of y."""

    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.tensor(2.0))

    def forward(self, batch):
        return {"loss": self.w * sum(batch)}


def half_step(tmp_path, batches):
    model = Line()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    return model, TrainStep(model, batches, optimizer, output_dir=str(tmp_path), precision=torch.float16)


def test_a_scale_that_is_too_large_is_halved_and_nothing_else_changes(tmp_path):
    """2^127 times the gradient, 4, is more than float32 holds; the next iteration has half of it, then a quarter."""
    model, step = half_step(tmp_path, [[4.0]] * 3)
    step.load_state_dict({**step.state_dict(), "grad_scaler": {**step._scaler.state_dict(), "scale": 2.0**127}})
    found = []
    with EventStorage() as storage:
        for _ in range(3):
            step.run_step()
            found.append((step._scaler.get_scale(), model.w.item(), storage.latest()["grad_scale"][0]))
    # 2 - 0.5 * 4 = 0
    assert found == [(2.0**126, 2.0, 2.0**127), (2.0**125, 2.0, 2.0**126), (2.0**125, 0.0, 2.0**125)]


def test_the_scale_is_saved(tmp_path):
    _, step = half_step(tmp_path, [])
    step._scaler.load_state_dict({**step._scaler.state_dict(), "scale": 8.0, "_growth_tracker": 5})
    _, other = half_step(tmp_path, [])
    other.load_state_dict(step.state_dict())
    assert other._scaler.state_dict() == step._scaler.state_dict()
    assert other._scaler.get_scale() == 8.0
    state = step.state_dict()
    del state["grad_scaler"]  # a run without scale goes on with one
    other.load_state_dict(state)
    assert other._scaler.get_scale() == 8.0


def test_a_scale_excuses_no_loss_that_is_not_finite(run_cfg):
    trainer = INetTrainer(run_cfg("pairs", "SOLVER.MAX_ITER", 1, *AMP, "fp16"))
    forward = trainer.model.forward
    trainer.model.forward = lambda batch: {name: value * float("inf") for name, value in forward(batch).items()}
    with pytest.raises(RunStoppedError, match=r"iteration 0: loss_.* not finite"):
        trainer.train()


@pytest.mark.parametrize(
    ("flags", "expected"),
    [("flags : avx2 amx_bf16 amx_tile", torch.bfloat16), ("flags : avx512_bf16", torch.bfloat16),
     ("flags : avx2 avx512f", None), (None, None)],
)  # fmt: skip
def test_auto_is_what_the_processor_can_do(monkeypatch, tmp_path, flags, expected):
    cfg = load_config(config_path("quick_schedules/inet_instant_test.yaml"), [*map(str, AMP), "auto"])
    if flags is not None:
        (tmp_path / "cpuinfo").write_text(flags)
    monkeypatch.setattr(precision, "CPU_INFO", tmp_path / "cpuinfo")
    assert training_precision(cfg) == expected
    cfg.SOLVER.AMP.ENABLED = False
    assert training_precision(cfg) is None
