"""Kills a training at a random moment, resumes it, and compares it with one that was never stopped."""

import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from faults.outcome import Outcome, Trial
from faults.runs import ITERATIONS, PERIOD, Course, Run, Runner, iterations_done, last_line, result_of

PHASES = ("training", "saving", "evaluation")
_LONGEST_SAVE = 0.03  # seconds in which a save is hit
_TRIES = 5


@dataclass(frozen=True)
class Reference:
    """A run that was never stopped.

    Attributes:
        result: digest of what it left.
        training: seconds from its first iteration to its last.
        evaluation: seconds from its last checkpoint to its end.
    """

    result: str
    training: float
    evaluation: float


def kill_trials(runner: Runner, courses: list[Course], number: int, seed: int) -> Iterator[Trial]:
    """Kill and resume runs.

    Args:
        runner: starts them.
        courses: of the runs, in turn.
        number: of kills.
        seed: of the moments; how far a run has come by then depends on the machine.

    Yields:
        What came of each.
    """
    references: dict[str, Reference] = {}
    for trial in range(number):
        phase, course = PHASES[trial % len(PHASES)], courses[trial % len(courses)]
        if course.stage not in references:
            references[course.stage] = _reference(runner, course)  # the number of workers changes nothing
        rng = np.random.default_rng([seed, trial])
        yield _try(runner, course, references[course.stage], phase, rng, trial)


def _reference(runner: Runner, course: Course) -> Reference:
    output = runner.folder / f"whole_{course.stage}"
    run = runner.start(course, output)
    moments = [_wait(run, done) for done in (lambda: iterations_done(output) >= 1, lambda: _is_final(run))]
    code = run.wait()
    if code != 0:
        raise RuntimeError(f"{output.name}: the run ended with {code}: {last_line(run.text())}")
    return Reference(result_of(output), moments[1] - moments[0], time.monotonic() - moments[1])


def _is_final(run: Run) -> bool:
    return (run.output / "model_final.pth").exists()


def _is_saving(run: Run) -> bool:
    return any(run.output.glob(".model_*.tmp.pth"))


def _wait(run: Run, condition: Callable[[], bool]) -> float:
    """Until the condition holds or the run has ended; the time then."""
    while not condition() and run.code() is None:
        time.sleep(0.0002)
    return time.monotonic()


def _try(
    runner: Runner, course: Course, reference: Reference, phase: str, rng: np.random.Generator, number: int
) -> Trial:
    output = runner.folder / f"killed_{number}"
    for _ in range(_TRIES):
        shutil.rmtree(output, ignore_errors=True)
        run = runner.start(course, output)
        _wait_for_moment(run, phase, reference, rng)
        if run.kill():
            break
    else:
        raise RuntimeError(f"killed_{number}: in {_TRIES} tries no run was alive when it was to be killed")
    done, half = iterations_done(output), _is_saving(run)
    resumed = runner.start(course, output, "--resume")
    code = resumed.wait()
    again = iterations_done(output) - ITERATIONS
    about = f"{course.stage}, {course.workers} workers, {done} iterations done{', a half-written file' if half else ''}"
    outcome = _judge(code, result_of(output) == reference.result, again)
    if outcome is Outcome.RIGHT:
        shutil.rmtree(output)
    return Trial(f"kill -9 in {phase}", outcome, f"kill {number}: {about}: {last_line(resumed.text())}", max(again, 0))


def _wait_for_moment(run: Run, phase: str, reference: Reference, rng: np.random.Generator) -> None:
    if phase == "training":
        wanted = rng.integers(1, ITERATIONS)
        _wait(run, lambda: iterations_done(run.output) >= wanted)
        time.sleep(rng.uniform(0, reference.training / ITERATIONS))
    elif phase == "saving":
        wanted = PERIOD * rng.integers(1, ITERATIONS // PERIOD + 1)
        _wait(run, lambda: iterations_done(run.output) >= wanted)
        _wait(run, lambda: _is_saving(run))
        time.sleep(rng.uniform(0, _LONGEST_SAVE))
    else:
        _wait(run, lambda: _is_final(run))
        time.sleep(rng.uniform(0, reference.evaluation))


def _judge(code: int | None, is_equal: bool, again: int) -> Outcome:
    if code is None:
        return Outcome.HANG
    if code != 0:
        return Outcome.CRASH
    # Iterations done again beyond those since a checkpoint: one that was whole was not used.
    return Outcome.RIGHT if is_equal and again <= PERIOD else Outcome.WRONG
