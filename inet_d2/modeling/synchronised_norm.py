"""Batch norm over the batch of all training processes.

``torch.nn.SyncBatchNorm`` does the same on GPUs alone. Without it every process normalises by its own few images and
keeps running statistics of its own, of which only the first one's get into a checkpoint.
"""

import torch
from detectron2.utils import comm
from fvcore.nn.distributed import differentiable_all_reduce
from torch import Tensor, nn


class _Synchronised:
    """Mix-in for batch norms with running statistics."""

    def forward(self, x: Tensor) -> Tensor:
        """Normalise (N, C) or (N, C, H, W); N may be 0 in some of the processes."""
        if not self.training or comm.get_world_size() == 1:
            return super().forward(x)
        axes = [axis for axis in range(x.dim()) if axis != 1]
        shape = [1, -1] + [1] * (x.dim() - 2)
        values = x.float() if x.dtype in (torch.float16, torch.bfloat16) else x
        count = values.new_tensor([values.numel() // values.shape[1]])
        total = differentiable_all_reduce(torch.cat([values.sum(axes), count]))
        count = total[-1].detach()
        mean = total[:-1] / count
        # The second pass costs one more exchange; a difference of mean squares would lose digits.
        variance = differentiable_all_reduce((values - mean.reshape(shape)).square().sum(axes)) / count
        self._keep(mean.detach(), variance.detach(), count)
        scale = (variance + self.eps).rsqrt()
        bias = -mean * scale
        if self.affine:
            scale, bias = scale * self.weight, bias * self.weight + self.bias
        return (values * scale.reshape(shape) + bias.reshape(shape)).to(x.dtype)

    @torch.no_grad()
    def _keep(self, mean: Tensor, variance: Tensor, count: Tensor) -> None:
        self.num_batches_tracked += 1
        momentum = 1.0 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean.to(self.running_mean.dtype), momentum)
        unbiased = variance * (count / (count - 1).clamp(min=1))
        self.running_var.lerp_(unbiased.to(self.running_var.dtype), momentum)


class SynchronisedBatchNorm1d(_Synchronised, nn.BatchNorm1d):
    """``torch.nn.BatchNorm1d`` over all processes."""


class SynchronisedBatchNorm2d(_Synchronised, nn.BatchNorm2d):
    """``torch.nn.BatchNorm2d`` over all processes."""


_COUNTERPARTS = {nn.BatchNorm1d: SynchronisedBatchNorm1d, nn.BatchNorm2d: SynchronisedBatchNorm2d}


def synchronise_batch_norms(model: nn.Module) -> None:
    """Let all plain batch norms of a model normalise over all processes, in place; names and values stay."""
    for module in model.modules():
        if type(module) in _COUNTERPARTS and module.track_running_stats:
            module.__class__ = _COUNTERPARTS[type(module)]
