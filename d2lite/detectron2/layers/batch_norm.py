from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .._lite import unsupported


class FrozenBatchNorm2d(nn.Module):
    """Batch norm of buffers only; a fresh one is the identity. Statistics missing in old files are 0 and 1."""

    _version = 3

    def __init__(self, num_features: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.num_features, self.eps = num_features, eps
        ones, zeros = torch.ones(num_features), torch.zeros(num_features)
        buffers = {"weight": ones, "bias": zeros, "running_mean": zeros.clone(), "running_var": ones - eps}
        for name, buffer in {**buffers, "num_batches_tracked": None}.items():
            self.register_buffer(name, buffer)

    def forward(self, x: Tensor) -> Tensor:
        if not x.requires_grad:  # cheaper, and rounded differently
            stats = (self.running_mean, self.running_var, self.weight, self.bias)
            return F.batch_norm(x, *stats, training=False, eps=self.eps)
        scale = self.weight * (self.running_var + self.eps).rsqrt()
        bias = self.bias - self.running_mean * scale
        return x * scale.reshape(1, -1, 1, 1).to(x.dtype) + bias.reshape(1, -1, 1, 1).to(x.dtype)

    def _load_from_state_dict(self, state_dict: dict, prefix: str, local_metadata: dict, *args) -> None:
        if (local_metadata.get("version") or 0) < 2:
            state_dict.setdefault(prefix + "running_mean", torch.zeros_like(self.running_mean))
            state_dict.setdefault(prefix + "running_var", torch.ones_like(self.running_var))
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *args)

    @classmethod
    def convert_frozen_batchnorm(cls, module: nn.Module) -> nn.Module:
        """Replace BatchNorm2d and SyncBatchNorm, at any depth, by frozen ones with the same numbers."""
        if not isinstance(module, nn.BatchNorm2d | nn.SyncBatchNorm):
            for name, child in module.named_children():
                setattr(module, name, cls.convert_frozen_batchnorm(child))
            return module
        frozen = cls(module.num_features, module.eps)
        if module.affine:
            frozen.weight, frozen.bias = module.weight.detach().clone(), module.bias.detach().clone()
        frozen.running_mean, frozen.running_var = module.running_mean, module.running_var
        frozen.num_batches_tracked = module.num_batches_tracked
        return frozen


def get_norm(norm: str | Callable | None, out_channels: int) -> nn.Module | None:
    """The normalisation layer of a config string ("" or None: none), or of a callable of the channels."""
    if not norm:
        return None
    if norm in ("LN", "naiveSyncBN", "naiveSyncBN_N"):
        unsupported(f"The norm {norm}")
    known = {"BN": nn.BatchNorm2d, "SyncBN": nn.SyncBatchNorm, "nnSyncBN": nn.SyncBatchNorm}
    known |= {"FrozenBN": FrozenBatchNorm2d, "GN": lambda channels: nn.GroupNorm(32, channels)}
    return (known[norm] if isinstance(norm, str) else norm)(out_channels)


class CNNBlockBase(nn.Module):
    """A part of a network with known channels and stride, that can be frozen."""

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.in_channels, self.out_channels, self.stride = in_channels, out_channels, stride

    def freeze(self) -> "CNNBlockBase":
        """Learn nothing more: no gradients, batch norms frozen."""
        self.requires_grad_(False)
        FrozenBatchNorm2d.convert_frozen_batchnorm(self)
        return self
