"""Optimisers that accept row-sparse gradients and touch only the rows that have one.

PyTorch's SGD refuses weight decay and keeps a growing sparse momentum for such gradients, and its AdamW refuses them
altogether. Parameters with dense gradients are left to PyTorch.

``fused=True`` is PyTorch's: all parameters in one call, five times as fast on the CPU.
"""

from collections.abc import Callable

import torch
from torch import Tensor


class _RowSparse:
    """Mix-in for an optimiser whose state of a parameter is tensors of the parameter's shape."""

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """One step; afterwards the parameters with sparse gradients have none."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                if parameter.grad.is_sparse:
                    gradient = parameter.grad.coalesce()
                    self._step_rows(parameter, gradient.indices()[0], gradient.values(), group)
                    parameter.grad = None
                elif group["fused"]:
                    self._align(parameter)
        super().step()
        return loss

    def _align(self, parameter: Tensor) -> None:
        """Lay gradient and state out as the parameter is, on its device.

        Fused steps read memory in order, whatever strides say, and count steps on the device, which others do not.
        """
        parameter.grad = _laid_out_as(parameter, parameter.grad)
        state = self.state.get(parameter, {})
        for name, value in state.items():
            if isinstance(value, Tensor):
                state[name] = _laid_out_as(parameter, value) if value.dim() else value.to(parameter.device)

    def _step_rows(self, parameter: Tensor, rows: Tensor, gradient: Tensor, group: dict) -> None:
        raise NotImplementedError


class RowSparseSGD(_RowSparse, torch.optim.SGD):
    """SGD; for a row-sparse gradient, weight decay and momentum act on its rows alone.

    A row that is always in the gradient is updated exactly as by ``torch.optim.SGD``; one that is left out stays as it
    is, momentum included.
    """

    def _step_rows(self, parameter: Tensor, rows: Tensor, gradient: Tensor, group: dict) -> None:
        gradient = gradient.add(parameter[rows], alpha=group["weight_decay"])
        momentum = group["momentum"]
        if momentum:
            state = self.state[parameter]
            if state.get("momentum_buffer") is None:
                state["momentum_buffer"] = torch.zeros_like(parameter)
            velocity = state["momentum_buffer"][rows].mul_(momentum).add_(gradient)
            state["momentum_buffer"][rows] = velocity
            gradient = gradient.add(velocity, alpha=momentum) if group["nesterov"] else velocity
        parameter.index_add_(0, rows, gradient, alpha=-group["lr"])


class RowSparseAdamW(_RowSparse, torch.optim.AdamW):
    """AdamW; for a row-sparse gradient, weight decay and both averages act on its rows alone.

    A row that is always in the gradient is updated exactly as by ``torch.optim.AdamW``; one that is left out stays as
    it is. The correction of the averages' start counts the steps of the parameter, as ``torch.optim.SparseAdam`` does.
    """

    def _step_rows(self, parameter: Tensor, rows: Tensor, gradient: Tensor, group: dict) -> None:
        state = self.state[parameter]
        if not state:
            state["step"] = torch.tensor(0.0)
            state["exp_avg"] = torch.zeros_like(parameter)
            state["exp_avg_sq"] = torch.zeros_like(parameter)
        state["step"] += 1
        step, (beta1, beta2) = float(state["step"]), group["betas"]
        mean = state["exp_avg"][rows].lerp_(gradient, 1 - beta1)
        square = state["exp_avg_sq"][rows].lerp_(gradient.square(), 1 - beta2)
        state["exp_avg"][rows], state["exp_avg_sq"][rows] = mean, square
        root = (square / (1 - beta2**step)).sqrt_().add_(group["eps"])
        kept = parameter[rows] * (1 - group["lr"] * group["weight_decay"])
        parameter[rows] = kept.addcdiv_(mean / (1 - beta1**step), root, value=-group["lr"])


def _laid_out_as(parameter: Tensor, value: Tensor) -> Tensor:
    return value if value.stride() == parameter.stride() else torch.empty_like(parameter).copy_(value)
