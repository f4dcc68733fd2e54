import logging
import time
from collections.abc import Callable
from datetime import timedelta

import torch

from ..utils.comm import is_main_process


class DatasetEvaluator:
    """Collects inputs and outputs of batches, then computes {task: {metric: value}}."""

    def reset(self) -> None:
        pass

    def process(self, inputs: list[dict], outputs: list[dict]) -> None:
        pass

    def evaluate(self) -> dict | None:
        pass


class DatasetEvaluators(DatasetEvaluator):
    """Several evaluators as one; no two of them may have a task in common."""

    def __init__(self, evaluators: list[DatasetEvaluator]) -> None:
        self._evaluators = evaluators

    def reset(self) -> None:
        for evaluator in self._evaluators:
            evaluator.reset()

    def process(self, inputs: list[dict], outputs: list[dict]) -> None:
        for evaluator in self._evaluators:
            evaluator.process(inputs, outputs)

    def evaluate(self) -> dict:
        results = {}
        for result in [evaluator.evaluate() for evaluator in self._evaluators]:
            for task, metrics in (result or {}).items() if is_main_process() else ():
                assert task not in results, f"two evaluators have figures for the task {task}"
                results[task] = metrics
        return results


@torch.no_grad()
def inference_on_dataset(model: Callable, data_loader, evaluator: DatasetEvaluator | list | None) -> dict:
    """Run the model over a loader with a length, in evaluation mode without gradients; returns the results."""
    logger, total = logging.getLogger(__name__), len(data_loader)
    logger.info("Inference: %d batches", total)
    evaluator = DatasetEvaluators(evaluator or []) if isinstance(evaluator, list | None) else evaluator
    evaluator.reset()
    was_training = isinstance(model, torch.nn.Module) and model.training
    if was_training:
        model.eval()
    start = said = time.perf_counter()
    for done, inputs in enumerate(data_loader, 1):
        evaluator.process(inputs, model(inputs))
        now = time.perf_counter()
        if now - said >= 5:
            said, rate = now, (now - start) / done
            eta = timedelta(seconds=int(rate * (total - done)))
            logger.info("Inference: batch %d of %d, %.4f s each, %s left", done, total, rate, eta)
    logger.info("Inference: %.1f s in all", time.perf_counter() - start)
    if was_training:
        model.train()
    return evaluator.evaluate() or {}
