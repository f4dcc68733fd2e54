"""A hook that tells of batch norms which are held at statistics that they never had."""

import logging

from detectron2.engine import HookBase
from torch import nn

_logger = logging.getLogger(__name__)


class HeldNormsChecked(HookBase):
    """Warns before training of batch norms in evaluation mode whose statistics are the initial ones.

    Such a norm normalises nothing: the weights that the run starts from did not have it (MODEL.HOLD_BATCH_NORM).
    """

    def before_train(self) -> None:
        """Warn once, with their names."""
        if empty := empty_held_norms(self.trainer.model):
            _logger.warning(
                "MODEL.HOLD_BATCH_NORM is True, but the weights that this run starts from have no statistics for %s; "
                "with their initial ones they learn badly. Put these modules into MODEL.LIVE_BATCH_NORM.",
                ", ".join(empty),
            )


def empty_held_norms(model: nn.Module) -> list[str]:
    """Names of the batch norms in evaluation mode whose running means are all 0 and variances all 1.

    Args:
        model: in training mode, but for what is held.
    """
    return [
        name.removeprefix("module.")
        for name, module in model.named_modules()
        if isinstance(module, nn.modules.batchnorm._BatchNorm)
        and not module.training
        and module.running_mean is not None
        and bool((module.running_mean == 0).all() and (module.running_var == 1).all())
    ]
