"""What ends a run although its input was sound, told in one sentence."""

import logging

from inet_d2.data.bad_samples import LoadingError


class RunStoppedError(RuntimeError):
    """The run cannot go on: a full disk, numbers that are not finite. The message says what to do.

    Scripts print it without a traceback and end with exit code 3.
    """


STOPS = (RunStoppedError, LoadingError)
"""Errors that end a run with a sentence and exit code 3."""


class SentenceFilter(logging.Filter):
    """Takes the traceback away from log entries about one of ``STOPS``."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Shorten the entry; it is always kept."""
        if record.exc_info and isinstance(record.exc_info[1], STOPS):
            record.msg, record.args, record.exc_info = "%s", (record.exc_info[1],), None
        return True
