"""A disk that fills up and processes that are lost, in the middle of a run: it ends with a sentence and goes on."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass

from faults.outcome import Outcome, Trial
from faults.runs import ITERATIONS, PERIOD, Course, Run, Runner, iterations_done, last_line, result_of

_STOPPED = 3  # exit code of a run that had to stop


@dataclass(frozen=True)
class Deed:
    """What is done to a run.

    Attributes:
        row: of the table.
        name: of :data:`faults.in_the_run.DEEDS`.
        rank: of the process that it is done in.
        iteration: before which it is done; ``ITERATIONS`` is the evaluation.
        sentence: the run has to say it.
    """

    row: str
    name: str
    rank: int
    iteration: int
    sentence: str


DISK = (
    Deed("full disk", "fill disk", 0, 4, "the checkpoint cannot be written"),
    Deed("full disk", "fill disk wholly", 0, 4, "cannot be written"),
    Deed("full disk", "fill disk wholly", 0, ITERATIONS, "cannot be written"),
)
RANKS = (
    Deed("dying rank", "die", 1, 4, "process 1 was ended by SIGKILL"),
    Deed("hanging rank", "hang", 1, 4, "did not answer within"),
)


def deed_trials(runner: Runner, course: Course, deeds: tuple[Deed, ...]) -> Iterator[Trial]:
    """Do things to runs.

    Args:
        runner: starts them.
        course: of the runs.
        deeds: each in a run of its own.

    Yields:
        What came of each: a documented error if the run said the sentence, left the checkpoints as they were, and went
        on to the end of a run that was never stopped.
    """
    whole = runner.folder / f"whole_for_{deeds[0].row.replace(' ', '_')}"
    runner.finish(course, whole)
    result = result_of(whole)
    for number, deed in enumerate(deeds):
        output = runner.folder / f"{deed.row.replace(' ', '_')}_{number}"
        run = runner.start(
            course, output,
            "FAULTS.DEED", deed.name, "FAULTS.RANK", str(deed.rank), "FAULTS.ITERATION", str(deed.iteration),
        )  # fmt: skip
        code = run.wait()
        outcome, detail, lost = _judge(runner, course, run, deed, code, result)
        if outcome is Outcome.DOCUMENTED:
            shutil.rmtree(output)
        yield Trial(deed.row, outcome, f"{deed.name} before iteration {deed.iteration}: {detail}", lost)


def _judge(
    runner: Runner, course: Course, run: Run, deed: Deed, code: int | None, result: str
) -> tuple[Outcome, str, int]:
    if code is None:
        return Outcome.HANG, f"did not end: {last_line(run.text())}", 0
    if code != _STOPPED or deed.sentence not in run.text():
        return Outcome.CRASH, f"ended with {code}: {last_line(run.text())}", 0
    files = sorted(path.name for path in run.output.glob("*model_*.pth"))
    saved = [f"model_{last:07d}.pth" for last in range(PERIOD - 1, min(deed.iteration, ITERATIONS), PERIOD)]
    if deed.iteration == ITERATIONS:
        saved.append("model_final.pth")
    if files != saved:
        return Outcome.WRONG, f"left {', '.join(files)} instead of {', '.join(saved)}", 0
    resumed = runner.start(course, run.output, "--resume")
    if (code := resumed.wait()) != 0:
        return Outcome.CRASH, f"resumed, it ended with {code}: {last_line(resumed.text())}", 0
    lost = max(iterations_done(run.output) - ITERATIONS, 0)
    is_equal = result_of(run.output) == result
    return (Outcome.DOCUMENTED if is_equal else Outcome.WRONG), last_line(run.text()), lost
