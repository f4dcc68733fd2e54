"""Reads files that were changed at random, each in a child process."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from faults.child import Answer, ask
from faults.mutator import cut, draw_mutation, empty
from faults.outcome import FAULTS, Outcome, Trial
from faults.targets import Target, WrongFigureError, make_targets

_WITHIN = 0.4  # of the mutations of files whose content can be changed under right checksums


def mutation_trials(folder: Path, number: int, seed: int, keep: Path | None = None) -> Iterator[Trial]:
    """Change files and read them.

    Args:
        folder: empty; for the files.
        number: of mutations, spread evenly over the kinds of files.
        seed: same seed, same files and mutations.
        keep: folder that gets the changed files that were read wrongly; None keeps none.

    Yields:
        What came of each.

    Raises:
        RuntimeError: a sound file cannot be read.
    """
    rows = make_targets(folder, seed)
    right: dict[Path, str] = {}
    for trial in range(number):
        members = rows[trial % len(rows)]
        target = members[trial // len(rows) % len(members)]
        if target.path not in right:
            right[target.path] = _read_sound(target)
        yield _try(target, right[target.path], np.random.default_rng([seed, trial]), trial, keep)


def _read_sound(target: Target) -> str:
    answer = ask(target.read)
    if not answer.has_value:
        raise RuntimeError(f"{target.path.name}: the sound file cannot be read: {answer.text}")
    return answer.value


def _try(target: Target, right: str, rng: np.random.Generator, number: int, keep: Path | None) -> Trial:
    sound = target.path.read_bytes()
    within = target.change_within if rng.random() < _WITHIN else None
    mutate = within or draw_mutation(rng)
    changed = mutate(sound, rng)
    name = "content changed" if within else mutate.__name__
    try:
        target.path.write_bytes(changed)
        answer = ask(target.read)
    finally:
        target.path.write_bytes(sound)
    tells = not within and (target.has_checksums or (target.has_an_end and mutate in (cut, empty)))
    outcome = classify(answer, right, tells=tells)
    if target.must_not_appear and target.must_not_appear.exists():
        target.must_not_appear.unlink()
        outcome = Outcome.CRASH
    if keep and outcome in FAULTS:
        (keep / f"{number:04d}_{target.path.name}").write_bytes(changed)
    return Trial(target.row, outcome, f"mutation {number} of {target.path.name} ({name}): {answer.text}")


def classify(answer: Answer, right: str, *, tells: bool) -> Outcome:
    """What an answer is.

    Args:
        answer: of the reader, a digest.
        right: the digest of the sound file.
        tells: whether the format could tell that the file was changed.
    """
    if answer.is_hang:
        return Outcome.HANG
    if not answer.has_value:
        if answer.text.startswith(WrongFigureError.__name__):
            return Outcome.WRONG
        return Outcome.DOCUMENTED if answer.is_documented else Outcome.CRASH
    if answer.value == right:
        return Outcome.RIGHT
    return Outcome.WRONG if tells else Outcome.UNTOLD
