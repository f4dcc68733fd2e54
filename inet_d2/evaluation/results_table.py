"""The table of figures that ends an evaluation."""

from collections.abc import Mapping


def format_results(results: Mapping[str, Mapping[str, float]]) -> str:
    """Lay out evaluation results, one figure per line, named as in ``TEST.EXPECTED_RESULTS``.

    Args:
        results: task -> metric -> value, as Detectron2's evaluators return.

    Returns:
        A Markdown table without a final line break; values with two decimals.
    """
    rows = [(task, name, f"{value:.2f}") for task, figures in results.items() for name, value in figures.items()]
    header = ("task", "metric", "value")
    widths = [max(len(row[column]) for row in [header, *rows]) for column in range(3)]
    rule = tuple("-" * width for width in widths)
    return "\n".join(
        f"| {task:<{widths[0]}} | {name:<{widths[1]}} | {value:>{widths[2]}} |"
        for task, name, value in [header, rule, *rows]
    )
