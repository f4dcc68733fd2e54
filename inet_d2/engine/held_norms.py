"""A hook that tells of batch norms which are held at statistics that they never had."""

from collections.abc import Collection
from logging import getLogger

from detectron2.engine import HookBase
from torch import nn

_logger = getLogger(__name__)


class HeldNormsChecked(HookBase):
    """Warns before training of batch norms in evaluation mode whose statistics are the initial ones.

    Such a norm normalises nothing: the weights that the run starts from did not have it (MODEL.HOLD_BATCH_NORM). One
    that does not learn is none to tell of: nothing passes it, like NormAwareHead's norm of lengths in heads that do not
    score by them.
    """

    def before_train(self) -> None:
        """Warn once, with as few names as say which."""
        held = held_norms(self.trainer.model)
        empty = [
            name
            for name, norm in held.items()
            if not has_statistics(norm) and all(x.requires_grad for x in norm.parameters())
        ]
        if empty:
            filled = [name for name, norm in held.items() if has_statistics(norm)]
            _logger.warning(
                "MODEL.HOLD_BATCH_NORM is True, but the weights that this run starts from have no statistics for the "
                "batch norms in %s; with their initial ones they learn badly. Put these modules into "
                "MODEL.LIVE_BATCH_NORM, or start from weights that have them.",
                ", ".join(shortest_names(empty, filled)),
            )


def held_norms(model: nn.Module) -> dict[str, nn.Module]:
    """Batch norms in evaluation mode that keep statistics, by name.

    Args:
        model: in training mode, but for what is held.
    """
    return {
        name.removeprefix("module."): module
        for name, module in model.named_modules()
        if isinstance(module, nn.modules.batchnorm._BatchNorm)
        and not module.training
        and module.running_mean is not None
    }


def has_statistics(norm: nn.Module) -> bool:
    """Whether a batch norm's running means are not all 0, or its variances not all 1."""
    return not bool((norm.running_mean == 0).all() and (norm.running_var == 1).all())


def shortest_names(names: Collection[str], others: Collection[str]) -> list[str]:
    """Names of modules in which all of ``names`` are and none of ``others`` is, each as short as can be.

    Args:
        names: of modules, with dots between their parts.
        others: likewise.
    """
    taken = {beginning for other in others for beginning in _beginnings(other)}
    return list(dict.fromkeys(next(x for x in _beginnings(name) if x not in taken) for name in names))


def _beginnings(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[:count]) for count in range(1, len(parts) + 1)]
