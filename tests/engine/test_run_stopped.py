import errno
import logging

import pytest

from inet_d2.engine.run_stopped import RunStoppedError, SentenceFilter, sentence_of


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (RunStoppedError("lower the rate"), "lower the rate"),
        (OSError(errno.ENOSPC, "No space left on device", "a/log.txt"), "a/log.txt cannot be written (No space left"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), "a file of OUTPUT_DIR cannot be written (Disk quota exceeded)"),
        (FileNotFoundError(errno.ENOENT, "No such file", "a.jpg"), ""),
        (ZeroDivisionError("a fault of the program"), ""),
    ],
)
def test_what_is_told_in_a_sentence(error, sentence):
    assert sentence_of(error).startswith(sentence)
    assert bool(sentence_of(error)) == bool(sentence)
    record = logging.LogRecord("a", logging.ERROR, "", 0, "Exception", (), (type(error), error, None))
    assert SentenceFilter().filter(record)
    assert (record.exc_info is None) == bool(sentence)
