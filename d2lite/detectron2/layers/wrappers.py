import torch
from torch import Tensor
from torch.nn import functional as F

Linear = torch.nn.Linear
BatchNorm2d = torch.nn.BatchNorm2d
interpolate = F.interpolate


class Conv2d(torch.nn.Conv2d):
    """A convolution, then the module `norm`, then the callable `activation`, where given."""

    def __init__(self, *args, norm=None, activation=None, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.norm = norm
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:
        x = super().forward(x)
        x = x if self.norm is None else self.norm(x)
        return x if self.activation is None else self.activation(x)


def cat(tensors: list[Tensor], dim: int = 0) -> Tensor:
    """`torch.cat`, but a single tensor is returned as it is."""
    return tensors[0] if len(tensors) == 1 else torch.cat(tensors, dim)


def nonzero_tuple(x: Tensor) -> tuple[Tensor, ...]:
    return torch.atleast_1d(x).nonzero(as_tuple=True)


def cross_entropy(input: Tensor, target: Tensor, *, reduction: str = "mean", **kwargs) -> Tensor:
    """`F.cross_entropy`, but the mean over no targets is 0 (with a graph), not NaN."""
    if target.numel() == 0 and reduction == "mean":
        return input.sum() * 0.0
    return F.cross_entropy(input, target, reduction=reduction, **kwargs)
