"""What the command lines of this repository share."""

import re
import sys
from collections.abc import Callable, Sequence


def split_options(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Part a command line where its KEY VALUE pairs begin.

    argparse cannot: an option that takes several values, as in ``--seeds 1 2 SOLVER.MAX_ITER 300``, would take them.

    Args:
        words: without the program's name.

    Returns:
        The words before the first one that looks like a configuration key (SEED, SOLVER.MAX_ITER), and the rest.
    """
    keys = (i for i, word in enumerate(words) if re.fullmatch(r"[A-Z][A-Z0-9_]*(\.\w+)*", word))
    split = next(keys, len(words))
    return list(words[:split]), list(words[split:])


def exit_status(program: str, run: Callable[[], None]) -> int:
    """Run a tool whose user may have given input that does not fit.

    Args:
        program: begins the sentence on standard error.
        run: raises OSError or ValueError for such input.

    Returns:
        0, or 2 after one sentence.
    """
    try:
        run()
    except (OSError, ValueError) as error:
        sys.stderr.write(f"{program}: {error}\n")
        return 2
    return 0
