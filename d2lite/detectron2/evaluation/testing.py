import logging
import sys

logger = logging.getLogger(__name__)


def print_csv_format(results: dict) -> None:
    """Log the results in lines to paste into a table; metrics with "-" in their name are left out."""
    for task, metrics in results.items():
        if not isinstance(metrics, dict):
            logger.info("copypaste: %s=%s", task, metrics)
            continue
        shown = {name: f"{value:.4f}" for name, value in metrics.items() if "-" not in name}
        logger.info("copypaste: Task: %s", task)
        logger.info("copypaste: %s", ",".join(shown))
        logger.info("copypaste: %s", ",".join(shown.values()))


def verify_results(cfg, results: dict) -> bool:
    """Check the items (task, metric, expected, tolerance) of TEST.EXPECTED_RESULTS; failure exits with 1."""
    for task, metric, expected, tolerance in cfg.TEST.EXPECTED_RESULTS:
        actual = results.get(task, {}).get(metric, float("nan"))
        if not abs(actual - expected) <= tolerance:  # also nan and inf
            logger.error("TEST.EXPECTED_RESULTS: expected %s, found %s", cfg.TEST.EXPECTED_RESULTS, results)
            sys.exit(1)
    return True


def flatten_results_dict(results: dict) -> dict:
    """{"a": {"b": 1}} becomes {"a/b": 1}."""
    flat = {}
    for name, value in results.items():
        nested = flatten_results_dict(value) if isinstance(value, dict) else None
        flat.update({name: value} if nested is None else {f"{name}/{k}": v for k, v in nested.items()})
    return flat
