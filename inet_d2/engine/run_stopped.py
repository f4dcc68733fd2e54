"""What ends a run although its input was sound, told in one sentence."""

import errno
import logging

from inet_d2.data.bad_samples import LoadingError


class RunStoppedError(RuntimeError):
    """The run cannot go on: a full disk, numbers that are not finite. The message says what to do.

    Scripts print it without a traceback and end with exit code 3.
    """


_STOPS = (RunStoppedError, LoadingError)
"""Errors that end a run with a sentence and exit code 3."""
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def sentence_of(error: BaseException | None) -> str:
    """What a run says that was ended by an error; "" for a fault of the program, which is shown by its traceback.

    Args:
        error: one of ``_STOPS``, or an OSError of a disk without room for a log, figures or predictions.
    """
    if isinstance(error, _STOPS):
        return str(error)
    if isinstance(error, OSError) and error.errno in _NO_ROOM:
        where = error.filename or "a file of OUTPUT_DIR"
        return (
            f"{where} cannot be written ({error.strerror}); earlier checkpoints are intact. Make room and go on with "
            "--resume."
        )
    return ""


class SentenceFilter(logging.Filter):
    """Takes the traceback away from log entries about errors that are told in a sentence."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Shorten the entry; it is always kept."""
        if record.exc_info and (sentence := sentence_of(record.exc_info[1])):
            record.msg, record.args, record.exc_info = "%s", (sentence,), None
        return True
