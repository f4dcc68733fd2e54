import contextlib
import logging
import time
from collections.abc import Callable
from datetime import timedelta

import torch

from ..utils.comm import is_main_process
from ..utils.logger import log_every_n_seconds


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
                assert task not in results, f"Different evaluators produce results with the same key {task}"
                results[task] = metrics
        return results


def inference_on_dataset(model: Callable, data_loader, evaluator: DatasetEvaluator | list | None) -> dict:
    """Run the model over a loader with a length, in evaluation mode without gradients; returns the results."""
    logger, total = logging.getLogger(__name__), len(data_loader)
    logger.info("Start inference on %d batches", total)
    evaluator = DatasetEvaluators(evaluator or []) if isinstance(evaluator, list | None) else evaluator
    evaluator.reset()
    start, compute = time.perf_counter(), 0.0
    with inference_context(model) if isinstance(model, torch.nn.Module) else torch.no_grad():
        for done, inputs in enumerate(data_loader, 1):
            begin = time.perf_counter()
            outputs = model(inputs)
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            compute += time.perf_counter() - begin
            evaluator.process(inputs, outputs)
            rate = (time.perf_counter() - start) / done
            text = f"Inference done {done}/{total}. Inference: {compute / done:.4f} s/iter. "
            text += f"Total: {rate:.4f} s/iter. ETA={timedelta(seconds=int(rate * (total - done)))}"
            log_every_n_seconds(logging.INFO, text, n=5)
    text = "Total inference time: %.1f s, of which the model took %.1f s"
    logger.info(text, time.perf_counter() - start, compute)
    return evaluator.evaluate() or {}


@contextlib.contextmanager
def inference_context(model: torch.nn.Module):
    """Evaluation mode without gradients; the mode of the model is restored at the end."""
    training = model.training
    model.eval()
    with torch.no_grad():
        yield
    model.train(training)
