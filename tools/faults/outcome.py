"""What can come of an injected fault, and the table of all of them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum


class Outcome(Enum):
    """What came of one fault; the values are the columns of the table."""

    DOCUMENTED = "documented error"
    RIGHT = "right result"
    UNTOLD = "cannot tell"  # other content, in a format that has nothing to tell it by
    WRONG = "wrong figure"
    CRASH = "crash"
    HANG = "hang"


FAULTS = (Outcome.WRONG, Outcome.CRASH, Outcome.HANG)


@dataclass(frozen=True)
class Trial:
    """One fault.

    Attributes:
        row: of the table.
        outcome: what came of it.
        detail: what was done and what was said.
        lost: iterations that were done and had to be done again.
    """

    row: str
    outcome: Outcome
    detail: str = ""
    lost: int = 0


def format_table(trials: Sequence[Trial]) -> str:
    """A Markdown table with a row for each kind of fault, in the order of the trials, and their sum."""
    titles = ["fault", "tried", *(outcome.value for outcome in Outcome), "lost iterations"]
    by_row: dict[str, list[Trial]] = {}
    for trial in trials:
        by_row.setdefault(trial.row, []).append(trial)
    rows = [titles] + [_cells(name, members) for name, members in (*by_row.items(), ("all", list(trials)))]
    widths = [max(len(cells[column]) for cells in rows) for column in range(len(titles))]
    lines = [_line(cells, widths) for cells in rows]
    rule = "|".join(["", f"-{'-' * widths[0]}-", *("-" * (width + 1) + ":" for width in widths[1:]), ""])
    return "\n".join([lines[0], rule, *lines[1:]])


def _cells(name: str, trials: Sequence[Trial]) -> list[str]:
    counts = Counter(trial.outcome for trial in trials)
    numbers = [len(trials), *(counts[outcome] for outcome in Outcome), sum(trial.lost for trial in trials)]
    return [name, *map(str, numbers)]


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    numbers = (cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True))
    return f"| {' | '.join([cells[0].ljust(widths[0]), *numbers])} |"
