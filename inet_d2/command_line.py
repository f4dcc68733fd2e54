"""What the command lines of this repository share."""

import logging
import os
import re
import sys
from collections.abc import Callable, Sequence
from itertools import takewhile
from pathlib import Path

_logger = logging.getLogger(__name__)


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


def child_environment() -> dict[str, str]:
    """The environment for a script of this repository: it imports the package that runs here, installed or not."""
    package = str(Path(__file__).resolve().parent.parent)
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [package, os.environ.get("PYTHONPATH")]))}


def distinct_parts(paths: Sequence[Path]) -> list[str]:
    """What tells different paths apart: each without the folders and the ending that it has in common with all others.

    A path of which nothing would be left is whole.
    """
    parts = [path.absolute().parts for path in paths]
    start = _shared(parts)
    end = _shared([names[start:][::-1] for names in parts])
    return ["/".join(names[start : len(names) - end]) or str(path) for names, path in zip(parts, paths, strict=True)]


def _shared(parts: Sequence[Sequence[str]]) -> int:
    """How many items, from the first, are the same in all."""
    return sum(1 for _ in takewhile(lambda items: len(set(items)) == 1, zip(*parts, strict=False)))


def exit_status(program: str, run: Callable[[], object]) -> int:
    """Run what may meet input of the user's that does not fit.

    Args:
        program: begins the sentence on standard error.
        run: raises OSError or ValueError for such input, NotImplementedError for a part that the engine lacks.

    Returns:
        0, or 2 after one sentence; where the error was raised is in the log, if one is open at level DEBUG.
    """
    try:
        run()
    except (NotImplementedError, OSError, ValueError) as error:
        if not str(error):
            raise
        _logger.debug("%s: %s", program, error, exc_info=True)
        sys.stderr.write(f"{program}: {error}\n")
        return 2
    return 0
