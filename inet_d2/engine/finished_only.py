"""A hook that does its last work only for a run that has come to its end."""

from detectron2.engine import HookBase


class FinishedOnly(HookBase):
    """Passes everything on to another hook, but ``after_train`` only where all iterations are done.

    Detectron2's EvalHook evaluates also when the last iteration failed, and leaves figures that look like the run's.

    Args:
        hook: not registered itself.
    """

    def __init__(self, hook: HookBase) -> None:
        self.hook = hook

    def before_train(self) -> None:
        """Pass it on."""
        self.hook.trainer = self.trainer
        self.hook.before_train()

    def before_step(self) -> None:
        """Pass it on."""
        self.hook.before_step()

    def after_step(self) -> None:
        """Pass it on."""
        self.hook.after_step()

    def after_train(self) -> None:
        """Pass it on if the run has come to its end; only then the trainer counts beyond the last iteration."""
        if self.trainer.iter >= self.trainer.max_iter:
            self.hook.after_train()
