"""Trains without chance, in float64, in one process and in two, and saves the losses of all iterations and the ends.

Usage: float64_training.py FOLDER. The folder holds trainings.json, {name: [CONFIG, KEY, VALUE, ...]}, and gets
<name>_1.pth and <name>_2.pth. The two processes are started once for all trainings, since their start takes longest.
"""

import json
import sys
from pathlib import Path

import torch
import torchvision
from detectron2.engine import launch
from detectron2.utils import comm

from inet_d2.engine import INetTrainer, load_config


def train_all(folder):
    take_chance_out()
    for name, (config, *options) in json.loads(Path(folder, "trainings.json").read_text()).items():
        number = comm.get_world_size()
        output = Path(folder, f"{name}_{number}")
        train(output.with_suffix(".pth"), config, [*options, "OUTPUT_DIR", str(output)])


def take_chance_out():
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    # Which regions are sampled must not depend on how the images are spread over processes.
    torch.randperm = lambda n, device=None, **_: torch.arange(n, device=device)
    nms = torchvision.ops.boxes.nms
    torchvision.ops.boxes.nms = lambda boxes, scores, threshold: nms(boxes.float(), scores.float(), threshold)


def train(output, config, options):
    trainer = INetTrainer(load_config(config, options))
    model = trainer.checkpointer.model.to(torch.float64)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for _, parameter in sorted(model.named_parameters()):
            if parameter.dim() > 1:
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.05)
    losses, step = [], trainer.run_step

    def run_step():
        step()
        losses.append({name: value for name, (value, _) in trainer.storage.latest().items() if "loss" in name})

    trainer.run_step = run_step
    trainer.train()
    if comm.is_main_process():
        torch.save({"losses": losses, "model": model.state_dict()}, output)


if __name__ == "__main__":
    for num_processes in (2, 1):  # one process is this one, which is left as it is for the two
        launch(train_all, num_processes, dist_url="auto", args=(sys.argv[1],))
