"""Trains without chance, in float64, in one process or two, and saves the losses of all iterations and the end state.

Usage: float64_training.py OUTPUT NUM_PROCESSES CONFIG KEY VALUE ...
"""

import sys

import torch
import torchvision
from detectron2.engine import launch
from detectron2.utils import comm

from inet_d2.engine import INetTrainer, load_config


def train(output, config, options):
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    # Which regions are sampled must not depend on how the images are spread over processes.
    torch.randperm = lambda n, device=None, **_: torch.arange(n, device=device)
    nms = torchvision.ops.boxes.nms
    torchvision.ops.boxes.nms = lambda boxes, scores, threshold: nms(boxes.float(), scores.float(), threshold)

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
    output, num_processes, config, *options = sys.argv[1:]
    launch(train, int(num_processes), dist_url="auto", args=(output, config, options))
