"""What a training left out, summed up at its end."""

import logging
from collections import Counter
from collections.abc import Iterable

from detectron2.engine import HookBase
from detectron2.utils import comm

from inet_d2.data.bad_samples import BadSamples, describe_reasons

_logger = logging.getLogger(__name__)


class ReplacedSamples(HookBase):
    """Hook that logs at the end how many samples all processes replaced, and why.

    Args:
        loader: the training loader; one without an account (``bad_samples``) is not summed up.
    """

    def __init__(self, loader: Iterable) -> None:
        self.account: BadSamples | None = getattr(loader, "bad_samples", None)

    def after_train(self) -> None:
        """Sum up. Every process has to come here, so wrap the hook into :class:`FinishedOnly`."""
        if self.account is None:
            return
        accounts: list[BadSamples] = comm.all_gather(self.account)
        num_replaced = sum(account.num_replaced for account in accounts)
        if not num_replaced or not comm.is_main_process():
            return
        reasons = sum((Counter(account.reasons) for account in accounts), Counter())
        _logger.warning(
            "%d of the %d samples since iteration %d could not be loaded, and others took their place: %s",
            num_replaced,
            sum(account.num_taken for account in accounts),
            self.trainer.start_iter,
            describe_reasons(reasons),
        )
