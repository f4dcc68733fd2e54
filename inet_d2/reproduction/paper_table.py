"""A published table beside one's own figures over several seeds."""

import math
import statistics
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

NONE = "-"


@dataclass(frozen=True)
class PaperRow:
    """One row of a table.

    Attributes:
        name: of the method.
        run: the run that stands for it; None where nothing does.
        paper: published figures by column, 0-100; None where there is none.
        ours: for each column, seed -> figure, 0-100.
        note: what a reader has to know about this row.
    """

    name: str
    run: str | None
    paper: Sequence[float | None]
    ours: Sequence[Mapping[int, float]]
    note: str = ""


def mean_and_spread(values: Collection[float]) -> tuple[float, float | None]:
    """Mean, and the standard deviation of a sample (n - 1); None for a single value."""
    return statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else None


def format_figures(figures: Mapping[int, float], seeds: Sequence[int]) -> str:
    """One cell, such as ``79.5``, ``79.5 ± 0.4`` or ``79.5 (1 of 3 seeds)``.

    Args:
        figures: seed -> figure.
        seeds: the seeds that are wanted; figures of others are left out.

    Returns:
        The cell, with one decimal; ``not run`` without figures.
    """
    values = [figures[seed] for seed in seeds if seed in figures]
    if not values:
        return "not run"
    mean, spread = mean_and_spread(values)
    cell = f"{mean:.1f}" if spread is None else f"{mean:.1f} ± {spread:.1f}"
    return cell if len(values) == len(seeds) else f"{cell} ({len(values)} of {len(seeds)} seeds)"


def format_paper_table(columns: Sequence[str], rows: Sequence[PaperRow], seeds: Sequence[int]) -> str:
    """Lay out the published figures beside ours.

    Args:
        columns: titles.
        rows: with one entry per column in ``paper`` and ``ours``.
        seeds: the seeds that are wanted.

    Returns:
        A Markdown table without a final line break. A row without a run says ``not implemented``; a column without
        any published figure has none of its own.
    """
    published = [any(row.paper[place] is not None for row in rows) for place in range(len(columns))]
    notes = any(row.note for row in rows)
    header = ["row"]
    for title, known in zip(columns, published, strict=True):
        header += [f"{title}: paper", f"{title}: ours"] if known else [f"{title}: ours"]
    cells = [header + ["note"] * notes]
    for row in rows:
        line = [row.name]
        for paper, ours, known in zip(row.paper, row.ours, published, strict=True):
            line += [NONE if paper is None else f"{paper:.1f}"] * known
            line.append(_own_cell(row, ours, seeds))
        cells.append(line + [row.note] * notes)
    return _markdown(cells)


def paired_difference(ours: Mapping[int, float], theirs: Mapping[int, float]) -> tuple[float, float | None, int]:
    """Mean difference over the seeds that both have, so that what a seed does to both of them cancels out.

    Args:
        ours: seed -> figure.
        theirs: seed -> figure, with at least one seed in common.

    Returns:
        Mean of ours minus theirs, its standard error (None for a single seed), and the number of seeds.
    """
    values = [ours[seed] - theirs[seed] for seed in ours if seed in theirs]
    mean, spread = mean_and_spread(values)
    return mean, None if spread is None else spread / math.sqrt(len(values)), len(values)


def format_differences(columns: Sequence[str], pairs: Sequence[tuple[PaperRow, PaperRow]]) -> str:
    """Lay out differences between rows.

    Args:
        columns: titles.
        pairs: a row and the one that it is compared with.

    Returns:
        A Markdown table without a final line break, with cells such as ``+1.2 ± 0.4 (3)``: mean, standard error and
        number of seeds.
    """
    cells = [["difference", *columns]]
    for row, other in pairs:
        figures = [_difference_cell(*both) for both in zip(row.ours, other.ours, strict=True)]
        cells.append([f"{row.name} minus {other.name}", *figures])
    return _markdown(cells)


def _difference_cell(ours: Mapping[int, float] | None, theirs: Mapping[int, float] | None) -> str:
    if not ours or not theirs or not ours.keys() & theirs.keys():
        return NONE
    mean, error, count = paired_difference(ours, theirs)
    return f"{mean:+.1f} ({count})" if error is None else f"{mean:+.1f} ± {error:.1f} ({count})"


def _own_cell(row: PaperRow, figures: Mapping[int, float] | None, seeds: Sequence[int]) -> str:
    if row.run is None:
        return "not implemented"
    return NONE if figures is None else format_figures(figures, seeds)


def _markdown(cells: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ["| " + " | ".join(f"{c:<{w}}" for c, w in zip(line, widths, strict=True)) + " |" for line in cells]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([lines[0], rule, *lines[1:]])
