"""Asks a question in a child process that may die, hang or eat memory."""

import linecache
import multiprocessing
import os
import resource
import signal
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import inet_d2

# A child is a copy of this process, with everything imported.
CONTEXT = multiprocessing.get_context("fork")
_PACKAGE = str(Path(inet_d2.__file__).parent)
_TOLD, _RAISED, _DIED, _SILENT = "told", "raised", "died", "silent"


@dataclass(frozen=True)
class Answer:
    """What a child said, or how it ended without a word.

    Attributes:
        end: how it ended.
        value: what the function returned.
        text: of the error, or of the end.
        is_documented: the error is a sentence for the user, see :func:`is_documented`.
    """

    end: str
    value: Any = None
    text: str = ""
    is_documented: bool = False

    @property
    def has_value(self) -> bool:
        """The function returned."""
        return self.end == _TOLD

    @property
    def is_hang(self) -> bool:
        """It had to be ended."""
        return self.end == _SILENT


def ask(function: Callable[..., Any], *arguments: Any, seconds: float = 120.0, mebibytes: int = 1024) -> Answer:
    """Call a function in a child process.

    Args:
        function: returns something that can be pickled.
        *arguments: its arguments.
        seconds: to wait for it; then it is killed, with the processes that it has started.
        mebibytes: of address space that it may take on top of what this process has.

    Returns:
        What came of it.
    """
    ours, theirs = CONTEXT.Pipe(duplex=False)
    child = CONTEXT.Process(target=_answer, args=(theirs, function, arguments, mebibytes))
    child.start()
    theirs.close()
    with ours:
        try:
            answer = ours.recv() if ours.poll(seconds) else Answer(_SILENT, text=f"no answer within {seconds:g} s")
        except EOFError:
            answer = None
    if answer is not None and answer.is_hang:
        kill_session(child.pid)
    child.join()
    return answer or Answer(_DIED, text=_how_it_died(child.exitcode))


def kill_session(pid: int | None) -> None:
    """End a process that leads a session, and those that it has started."""
    with suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


def is_documented(error: BaseException) -> bool:
    """Whether an error is one that the command lines show as a sentence, and was raised by intent.

    By intent: by a ``raise`` of this package, or by the system with the name of the file. What a library says of bytes
    that it stumbles over, without the file, is no sentence for a user; nor is an error that was caused by a lack of
    memory, since without the limit of the child it would have taken the machine's.
    """
    if not isinstance(error, (OSError, ValueError, NotImplementedError)) or not str(error):
        return False
    causes = [error]
    while cause := causes[-1].__cause__ or causes[-1].__context__:
        causes.append(cause)
    if any(isinstance(cause, MemoryError) or "allocate memory" in str(cause) for cause in causes):
        return False
    last = traceback.extract_tb(error.__traceback__)[-1]
    by_intent = linecache.getline(last.filename, last.lineno or 0).lstrip().startswith("raise ")
    return (by_intent and last.filename.startswith(_PACKAGE)) or getattr(error, "filename", None) is not None


def _answer(connection: Connection, function: Callable[..., Any], arguments: tuple, mebibytes: int) -> None:
    os.setsid()
    silence = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(silence, stream)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + (mebibytes << 20)
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    try:
        answer = Answer(_TOLD, function(*arguments))
    except Exception as error:  # noqa: BLE001  (which one it is, is the result)
        place = traceback.extract_tb(error.__traceback__)[-1]
        text = f"{type(error).__name__} in {Path(place.filename).name}:{place.lineno}: {error}"
        answer = Answer(_RAISED, text=text, is_documented=is_documented(error))
    connection.send(answer)
    connection.close()


def _how_it_died(code: int | None) -> str:
    if code is not None and code < 0:
        return f"ended by {signal.Signals(-code).name}"
    return f"ended with exit code {code}, without an answer"
