"""Learning-rate curves, the event storage and its JSON lines, checkpoints."""

import json
import warnings
from pathlib import Path

import torch
from detectron2.checkpoint import DetectionCheckpointer, PeriodicCheckpointer
from detectron2.modeling import build_model
from detectron2.solver import build_lr_scheduler
from detectron2.utils.events import EventStorage, JSONWriter

from experiments import experiment
from experiments.configs import CONFIGS
from experiments.filling import fill
from inet_d2.engine import load_config


def curve(cfg) -> torch.Tensor:
    """(MAX_ITER, 2) learning rates of a plain group and of one at half the rate."""
    parameters = [torch.nn.Parameter(torch.zeros(1)) for _ in range(2)]
    base = cfg.SOLVER.BASE_LR
    optimizer = torch.optim.SGD([{"params": [p], "lr": base * f} for p, f in zip(parameters, (1, 0.5), strict=True)])
    scheduler = build_lr_scheduler(cfg, optimizer)
    rates = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # no step of the optimizer is needed for this
        for _ in range(cfg.SOLVER.MAX_ITER):
            rates.append([group["lr"] for group in optimizer.param_groups])
            scheduler.step()
    return torch.tensor(rates, dtype=torch.float64)


@experiment
def learning_rates_of_our_configurations(folder):
    """One curve for each set of SOLVER keys that occurs."""
    schedules = {str(cfg.SOLVER): cfg for cfg in map(load_config, CONFIGS)}
    return [curve(cfg) for cfg in schedules.values()]


@experiment
def learning_rates(folder):
    base = ["SOLVER.BASE_LR", 0.02, "SOLVER.MAX_ITER", 100, "SOLVER.STEPS", (60, 80), "SOLVER.WARMUP_FACTOR", 0.1]
    variants = [
        ["SOLVER.WARMUP_ITERS", 10],
        ["SOLVER.WARMUP_ITERS", 0],
        ["SOLVER.WARMUP_ITERS", 10, "SOLVER.WARMUP_METHOD", "constant"],
        ["SOLVER.WARMUP_ITERS", 10, "SOLVER.RESCALE_INTERVAL", True],
        ["SOLVER.WARMUP_ITERS", 7, "SOLVER.STEPS", (5, 120)],
    ]
    names = ("WarmupMultiStepLR", "WarmupCosineLR")
    configs = [load_config("", [*base, *v, "SOLVER.LR_SCHEDULER_NAME", n]) for n in names for v in variants]
    return [curve(cfg) for cfg in configs]


@experiment
def event_storage(folder):
    with EventStorage(5) as storage:
        writer = JSONWriter(str(folder / "events.json"))
        for step in range(60):
            storage.put_scalar("always", step**1.5)
            storage.put_scalars(loss_a=1 / (step + 1), loss_b=float("nan") if step == 50 else step % 7)
            if step % 10 == 0:
                storage.put_scalar("seldom", step, smoothing_hint=False)
            if step % 20 == 19:
                writer.write()
            storage.iter += 1
        writer.write()
        latest = storage.latest_with_smoothing_hint(20)
        history = storage.histories()["always"]
        medians = [history.median(20), history.avg(20), history.global_avg(), history.latest()]
        writer.close()
    lines = [json.loads(line) for line in (folder / "events.json").read_text().splitlines()]
    return [latest, storage.latest(), storage.iter, medians, lines]


def saved_files(folder: Path) -> list:
    return sorted(path.name for path in folder.iterdir())


@experiment
def checkpoints(folder):
    """Names, contents, what is loaded of a file that does not fit, and what is left of it."""
    cfg = load_config("configs/quick_schedules/inet_instant_test.yaml")
    model, place = fill(build_model(cfg)), folder / "checkpoints"
    place.mkdir()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    checkpointer = DetectionCheckpointer(model, str(place), optimizer=optimizer)
    periodic = PeriodicCheckpointer(checkpointer, 3, max_iter=8, max_to_keep=1)
    for iteration in range(8):
        periodic.step(iteration, note="here")
    content = torch.load(place / "model_final.pth", weights_only=True)
    last = (place / "last_checkpoint").read_text()
    # One entry has another shape, one is missing, one is unknown.
    state = {f"module.{name}": value for name, value in content["model"].items()}
    names = sorted(state)
    state[names[0]] = torch.zeros(3)
    del state[names[1]]
    torch.save({**state, "module.unknown": torch.zeros(1)}, folder / "other.pth")
    other = build_model(cfg)
    torch.nn.init.zeros_(other.roi_heads.box_predictor.cls_score.weight)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.zero_()
    rest = DetectionCheckpointer(other).load(str(folder / "other.pth"))
    again = DetectionCheckpointer(fill(build_model(cfg)), str(place), optimizer=optimizer)
    resumed = again.resume_or_load("", resume=True)
    return {
        "files": saved_files(place),
        "last": last,
        "keys": {key: value if isinstance(value, int | str) else list(value) for key, value in content.items()},
        "partly loaded": [sorted(rest), dict(other.state_dict())],
        "resumed": [sorted(resumed), again.has_checkpoint(), Path(again.get_checkpoint_file()).name],
        "nothing": DetectionCheckpointer(other).load(""),
    }
