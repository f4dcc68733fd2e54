"""Weights and pictures that depend on nothing but names and seeds."""

import zlib

import torch
from detectron2.structures import Boxes, Instances
from torch import nn

# Losses' own state starts as it is built: empty.
STATE = ("dictionary.", "queue", "lookup_table", "pointer", "fill")


def fill(model: nn.Module) -> nn.Module:
    """Give every weight numbers that depend on its name and shape alone, of a size that keeps activations alive."""
    with torch.no_grad():
        for name, value in model.state_dict().items():
            if value.is_floating_point() and not any(word in name for word in STATE):
                value.copy_(numbers(name, value.shape))
    return model


def numbers(name: str, shape: torch.Size) -> torch.Tensor:
    generator = torch.Generator().manual_seed(zlib.crc32(name.encode()))
    normal, uniform = torch.randn(shape, generator=generator), torch.rand(shape, generator=generator)
    if name.endswith("running_var"):
        return 0.5 + uniform
    if name.endswith("running_mean"):
        return 0.1 * normal
    if name.endswith("norm.weight"):
        return 0.3 + 0.3 * uniform
    if name.endswith("bias"):
        return 0.02 * normal
    scale = (2 / (normal.numel() / shape[0])) ** 0.5 if shape else 1.0
    return normal * scale * (0.1 if "anchor_deltas" in name or "bbox_pred" in name else 1)


def person_image(size, people, *, generator):
    """One input of noise: person_image((h, w), [(box, pid), ...]), shown at twice its size."""
    instances = Instances(
        size,
        gt_boxes=Boxes(torch.tensor([box for box, _ in people], dtype=torch.float32).reshape(-1, 4)),
        gt_classes=torch.zeros(len(people), dtype=torch.int64),
        gt_pids=torch.tensor([pid for _, pid in people], dtype=torch.int64),
    )
    image = torch.randint(0, 256, (3, *size), dtype=torch.uint8, generator=generator)
    return {"image": image, "instances": instances, "height": 2 * size[0], "width": 2 * size[1]}


def digest(value: torch.Tensor, most: int = 20000) -> torch.Tensor | dict:
    """The tensor, or, if it is large, 1000 of its entries and sums over all of them."""
    if value.numel() <= most:
        return value
    flat = value.detach().flatten()
    places = torch.linspace(0, len(flat) - 1, 1000, dtype=torch.float64).long()
    sums = torch.stack([flat.double().sum(), flat.double().abs().sum()]) / len(flat)
    return {"shape": list(value.shape), "mean_and_mean_size": sums, "entries": flat[places]}
